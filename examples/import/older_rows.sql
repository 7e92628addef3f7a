-- Enough to try the example on.

insert into person (mail, display_name, plan, plan_until, dark_mode, ui_language, joined, last_seen) values
    ('ada@example.org', 'Ada', 'yearly', '2030-01-01', true, 'en', '2019-03-31 01:30', '2026-06-01 12:00'),
    ('bob@example.org', null, 'trial', null, false, 'es', '2020-10-25 02:30', null),
    ('eve@example.org', 'Eve', 'monthly', null, false, 'de', '2021-01-01 00:00', '2026-01-02 03:04:05.678901');

insert into ambition (person_id, name, state, deadline, created, changed) values
    (1, 'Learn to sail', 'open', '2027-06-30', '2020-01-01 10:00', '2024-02-29 23:59:59'),
    (1, 'Read music', 'dropped', null, '2020-01-02 10:00', '2020-01-03 10:00'),
    (2, 'Speak Danish', 'done', null, '2021-01-02 10:00', '2022-01-03 10:00');

insert into course (ambition_id, name, about, audience, mentor, created, changed) values
    (1, 'Sailing', 'Knots and "rules"', 1, '{"personality": "patient"}', '2020-01-01 10:00', '2024-01-01 10:00'),
    (3, 'Danish', null, 2, null, '2021-01-02 10:00', '2021-01-02 10:00');

insert into membership values (1, 2, 2, '2020-02-02 10:00'), (1, 3, 1, null);

insert into lesson (course_id, position, name, kind, body, hours, created) values
    (1, 1, 'Knots', 'reading', E'The bowline.\nThe clove\thitch.', 1.5, '2020-01-01 10:00'),
    (1, 2, 'Lights', 'film', null, 0.25, '2020-01-01 11:00'),
    (2, 1, 'Sounds', 'podcast', 'Rødgrød med fløde 🍓', null, '2021-01-02 10:00');

insert into lesson_visit values
    (1, 1, 1, '2020-03-01 09:00', '2020-03-02 09:00'), (2, 1, 0.4, null, '2020-03-03 09:00'),
    (1, 2, 0.05, null, '2020-03-04 09:00');

insert into todo (course_id, lesson_id, name, started, finished, urgency, due, created) values
    (1, 1, 'Tie ten bowlines', true, true, 2, '2020-02-01', '2020-01-01 10:00'),
    (1, null, 'Buy a lamp', true, false, 4, null, '2020-01-05 10:00'),
    (2, 3, 'Record yourself', false, false, 1, '2027-01-01', '2021-01-05 10:00');

insert into note (course_id, name, body, created) values
    (1, 'Rules of the road', 'Power gives way to sail.', '2020-01-01 10:00'),
    (2, 'Vowels', E'Nine of them; a backslash \\ and a ''quote''.', '2021-01-02 10:00');

insert into note_part
select id, 0, body, array(select sin(id * i)::real from generate_series(1, 1536) i) from note;

insert into talk (course_id, person_id, question, answer, asked, tokens) values
    (1, 1, 'Who gives way?', 'The one under power.', '2020-05-05 10:00', 120),
    (1, 2, 'And at night?', null, '2023-12-31 23:59:59.5', null),
    (2, 2, 'How many vowels?', 'Nine.', '2024-01-01 00:00', 35);

insert into remark (person_id, lesson_id, note_id, answers, body, written) values
    (2, 1, null, null, 'Which rope?', '2020-03-05 10:00'),
    (1, 1, null, 1, 'Any that does not slip.', '2020-03-05 11:00'),
    (1, null, 1, null, 'See part B.', '2020-03-06 10:00');

insert into article (person_id, path, name, body, online_since) values
    (1, 'why-sail', 'Why sail?', 'Because.', '2022-02-02 12:00'),
    (null, 'old-news', 'Old news', '…', null);
