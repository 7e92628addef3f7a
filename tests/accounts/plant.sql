-- A word of somebody in every column that holds any, in their own places and in another's.
update users set full_name = %(word)s, avatar_url = 'https://x.org/' || %(word)s where id = %(me)s;
update user_preferences set theme = %(word)s, notification_settings = jsonb_build_object('k', %(word)s)
    where user_id = %(me)s;
insert into subscriptions (user_id, tier, status, starts_at, payment_reference)
    values (%(me)s, 'pro', 'active', now(), %(word)s);
insert into usage_logs (user_id, resource_type, action, details)
    values (%(me)s, %(word)s, %(word)s, jsonb_build_object('k', %(word)s));
insert into assistant.reservations (id, user_id, period, known) values (%(id)s, %(me)s, '2026-11-01', jsonb_build_array(%(word)s));
insert into assistant.local_accounts (user_id, password_hash) values (%(me)s, %(word)s);
insert into assistant.api_keys (user_id, name, prefix, key_hash, scopes)
    values (%(me)s, %(word)s, 'gsk_' || right(%(word)s, 8), sha256(%(word)s::bytea), array['read']);
insert into goals (id, user_id, title, description, category) values (%(id)s, %(me)s, %(word)s, %(word)s, %(word)s);
insert into spaces (id, goal_id, user_id, title, description, theme, visibility, ai_mentor_config)
    values (%(id)s, %(id)s, %(me)s, %(word)s, %(word)s, %(word)s, 'shared', jsonb_build_object('name', %(word)s));
insert into modules (id, space_id, title, description, content_type, content)
    values (%(id)s, %(id)s, %(word)s, %(word)s, 'text', %(word)s);
insert into tasks (id, space_id, title, description) values (%(id)s, %(id)s, %(word)s, %(word)s);
insert into documents (id, space_id, title, content, source) values (%(id)s, %(id)s, %(word)s, %(word)s, %(word)s);
insert into document_embeddings (id, document_id, chunk_index, chunk_text, heading, embedding)
    values (%(id)s, %(id)s, 0, %(word)s, %(word)s, array_fill(1, array[1536])::vector);
insert into assistant.postings (space_id, lexeme, chunk_id, tf, length) values (%(id)s, %(word)s, %(id)s, 1, 1);
update assistant.document_indexing set error = %(word)s, status = 'failed' where document_id = %(id)s;
insert into assistant.fresh_vectors (document_id, model, input_hash, vector) values (%(id)s, %(word)s, 'x', '[1]');
insert into module_progress (module_id, user_id) values (%(id)s, %(me)s), (%(others_module)s, %(me)s);
insert into space_collaborators (space_id, user_id, role) values (%(others_space)s, %(me)s, 'editor'), (%(id)s, %(other)s, 'admin');
insert into comments (user_id, resource_type, resource_id, content)
    values (%(me)s, 'module', %(id)s, %(word)s), (%(me)s, 'module', %(others_module)s, %(word)s),
           (%(other)s, 'module', %(id)s, 'An answer.');
insert into blog_posts (author_id, title, slug, content, excerpt, published)
    values (%(me)s, %(word)s, %(slug)s, %(word)s, %(word)s, true), (%(me)s, %(word)s, %(slug)s || '-2', %(word)s, %(word)s, false);
insert into assistant.invitations (space_id, email, role, invited_by, secret_hash)
    values (%(id)s, %(word)s || '@example.org', 'viewer', %(me)s, sha256('x')), (%(others_space)s, %(email)s, 'viewer', %(other)s, sha256('x'));
-- One from before they had an account.
update assistant.invitations set for_account = null where email = %(email)s;
insert into chat_messages (space_id, user_id, message, metadata, thread_id, created_at)
    select s, %(me)s, %(word)s, jsonb_build_object('k', %(word)s), %(word)s, t
    from (values (%(id)s::uuid), (%(others_space)s::uuid)) spaces(s) cross join (values (now()), ('2001-02-03'::timestamptz)) times(t);
insert into assistant.runs (id, user_id, space_id, thread_id, client_run_id, process, lease_until, status, finished_at, error)
    values (%(id)s, %(me)s, %(others_space)s, %(word)s, %(word)s, %(id)s, now(), 'failed', now(), jsonb_build_object('k', %(word)s));
insert into assistant.run_events (run_id, seq, event) values (%(id)s, 1, json_build_object('k', %(word)s));
insert into assistant.run_steps (run_id, n, role, blocks) values (%(id)s, 0, 'user', jsonb_build_array(%(word)s));
insert into assistant.mentor_actions (user_id, space_id, run_id, call_id, tool, arguments, status, effect, result, expires_at)
    values (%(me)s, %(others_space)s, %(id)s, %(word)s, %(word)s, jsonb_build_object('k', %(word)s), 'proposed',
            jsonb_build_object('k', %(word)s), jsonb_build_object('k', %(word)s), now());
insert into assistant.message_keys (user_id, client_message_id, run_id, message_hash) values (%(me)s, %(word)s, %(id)s, 'x');
insert into assistant.citations (message_id, index, run_id, user_id, chunk_id, document_id, title, quote, start_offset, end_offset)
    values (%(id)s, 1, %(id)s, %(me)s, %(id)s, %(id)s, %(word)s, %(word)s, 0, 1);
update assistant.threads set title = %(word)s, made_title = %(word)s where user_id = %(me)s;
insert into assistant.thread_summaries (run_id, user_id, summary, tainted, turns, tokens, prompt_name, prompt_version, prompt_hash, model)
    values (%(id)s, %(me)s, %(word)s, false, 1, 1, 'summarise', '1.0.0', 'x', 'm');
insert into assistant.feedback (run_id, user_id, value, comment) values (%(id)s, %(me)s, 1, %(word)s);
insert into assistant.stored_answers (user_id, request, body_hash, status, answer)
    values (%(me)s, sha256('x'), sha256('x'), 201, convert_to(%(word)s, 'UTF8'));
insert into assistant.outbox (kind, user_id, day) values ('due_tasks', %(me)s, '2026-11-25');
insert into jobs.procrastinate_jobs (queue_name, task_name, args, scheduled_at)
    values ('documents', 'index_space', jsonb_build_object('space_id', %(id)s), now() + interval '1 day');
select assistant.refresh_space_summaries();
