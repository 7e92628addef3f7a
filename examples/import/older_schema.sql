-- A learning service as it might have looked before: numbers as ids, local times, other words, other divisions.

create type plan as enum ('trial', 'monthly', 'yearly');
create type lesson_kind as enum ('reading', 'film', 'podcast', 'exercise');

create table person (
    id serial primary key,
    mail varchar(200) not null unique,
    display_name varchar(100),
    plan plan not null default 'trial',
    plan_until date,
    dark_mode boolean not null default false,
    ui_language char(2) not null default 'en',
    joined timestamp not null, -- local time in Madrid
    last_seen timestamp
);

create table ambition (
    id serial primary key,
    person_id integer not null references person,
    name varchar(200) not null,
    state varchar(10) not null check (state in ('open', 'done', 'dropped')),
    deadline date,
    created timestamp not null,
    changed timestamp not null
);

create table course (
    id serial primary key,
    ambition_id integer not null references ambition,
    name varchar(200) not null,
    about text,
    audience smallint not null default 0, -- 0 me, 1 those whom I invite, 2 everybody
    mentor json,
    created timestamp not null,
    changed timestamp not null
);

create table membership (
    course_id integer not null references course,
    person_id integer not null references person,
    level smallint not null, -- 1 reads, 2 writes, 3 administers
    since timestamp,
    primary key (course_id, person_id)
);

create table lesson (
    id serial primary key,
    course_id integer not null references course,
    position smallint not null,
    name varchar(200) not null,
    kind lesson_kind not null,
    body text,
    hours numeric(4, 2),
    created timestamp not null
);

create table lesson_visit (
    lesson_id integer not null references lesson,
    person_id integer not null references person,
    share double precision not null, -- 0 to 1
    finished timestamp,
    seen timestamp not null,
    primary key (lesson_id, person_id)
);

create table todo (
    id serial primary key,
    course_id integer not null references course,
    lesson_id integer references lesson,
    name varchar(200) not null,
    started boolean not null default false,
    finished boolean not null default false,
    urgency smallint not null default 2, -- 1 to 4
    due date,
    created timestamp not null
);

create table note (
    id serial primary key,
    course_id integer not null references course,
    name varchar(200) not null,
    body text not null,
    created timestamp not null
);

create table note_part (
    note_id integer not null references note,
    number integer not null,
    body text not null,
    vector real[] not null,
    primary key (note_id, number)
);

-- A question and its answer in one row; they become two.
create table talk (
    id serial primary key,
    course_id integer not null references course,
    person_id integer not null references person,
    question text not null,
    answer text,
    asked timestamp not null,
    tokens integer
);

create table remark (
    id serial primary key,
    person_id integer not null references person,
    lesson_id integer references lesson,
    note_id integer references note,
    answers integer references remark,
    body text not null,
    written timestamp not null
);

create table article (
    id serial primary key,
    person_id integer references person,
    path varchar(100) not null unique,
    name varchar(200) not null,
    body text not null,
    online_since timestamp
);
