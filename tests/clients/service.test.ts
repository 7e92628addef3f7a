/** The client at work with a running service: `SERVICE_ADDRESS`. What it returns was held against its schema before. */

import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';

import {
  createGoalSpaceClient,
  paginate,
  ProblemError,
  type GoalRead,
  type GoalSpace,
  type SpaceRead,
} from '@goalspace/client';
import { zGoalCreate, zGoalRead, zGoalReadPage } from '@goalspace/client/zod';
import { ZodError } from 'zod';

const baseUrl = process.env['SERVICE_ADDRESS'] ?? '';
const password = 'a long enough password';

/** A new account, and a client that is signed in as it. */
async function signUp(): Promise<GoalSpace> {
  const email = `${crypto.randomUUID()}@example.org`;
  const { data, response } = await createGoalSpaceClient({ baseUrl }).signUp({ body: { email, password } });
  assert.equal(response.status, 201);
  assert.equal(data.user.email, email);
  return createGoalSpaceClient({ baseUrl, getToken: () => data.access_token });
}

/** What a call is refused with. */
async function refusal(call: Promise<unknown>): Promise<ProblemError> {
  const error: unknown = await call.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProblemError, String(error));
  return error;
}

let ada: GoalSpace;
let goal: GoalRead;
let space: SpaceRead;

before(async () => {
  ada = await signUp();
  goal = (await ada.createGoal({ body: { title: 'Learn to sail', due_date: '2027-06-01T02:00:00+02:00' } })).data;
  space = (await ada.createSpace({ body: { goal_id: goal.id, title: 'Sailing' } })).data;
});

suite('what a learner does', () => {
  test('a token is fetched for each request, and who has none is nobody', async () => {
    let token: string | undefined;
    const bob = createGoalSpaceClient({ baseUrl, getToken: async () => token });
    assert.equal((await refusal(bob.getMe())).status, 401);
    assert.deepEqual((await bob.listPosts({ query: { limit: 1 } })).response.status, 200);
    const email = `${crypto.randomUUID()}@example.org`;
    token = (await bob.signUp({ body: { email, password, full_name: 'Bob' } })).data.access_token;
    assert.equal((await bob.getMe()).data.full_name, 'Bob');
    assert.equal((await bob.signIn({ body: { email, password } })).data.user.email, email);
  });

  test('a goal has modules, tasks, documents and comments', async () => {
    const path = { space_id: space.id };
    const { data: module } = await ada.createModule({ path, body: { title: 'Knots', content_type: 'text' } });
    assert.equal(module.order_index, 0);
    const { data: progress } = await ada.setProgress({
      path: { module_id: module.id },
      body: { completion_percentage: 100 },
    });
    assert.ok(progress.completed_at);
    const { data: task } = await ada.createTask({
      path,
      body: { title: 'Tie a bowline', module_id: module.id, priority: 'high', due_date: '2027-01-01T00:00:00Z' },
    });
    assert.deepEqual([task.status, task.priority, task.module_id], ['pending', 'high', module.id]);
    const { data: document } = await ada.createDocument({ path, body: { title: 'Handbook', content: '# Knots' } });
    assert.equal(document.content, '# Knots');
    for (const make of [
      ada.createTaskComment({ path: { resource_id: task.id }, body: { content: 'Twice.' } }),
      ada.createModuleComment({ path: { resource_id: module.id }, body: { content: 'Slowly.' } }),
      ada.createDocumentComment({ path: { resource_id: document.id }, body: { content: 'Page one.' } }),
    ]) {
      const { data: comment } = await make;
      assert.equal(comment.depth, 0);
      assert.equal((await ada.getComment({ path: { comment_id: comment.id } })).data.content, comment.content);
    }
    const { data: summary } = await ada.getSpaceSummary({ path });
    assert.equal(summary.space_id, space.id);
    const { response } = await ada.deleteTask({ path: { task_id: task.id } });
    assert.equal(response.status, 204);
  });

  test('a change tells null from absent', async () => {
    const path = { goal_id: goal.id };
    const { data: renamed } = await ada.updateGoal({ path, body: { description: 'Before summer.' } });
    assert.equal(renamed.due_date, '2027-06-01T00:00:00Z');
    const { data: emptied } = await ada.updateGoal({ path, body: { due_date: null } });
    assert.deepEqual([emptied.due_date, emptied.description], [null, 'Before summer.']);
  });

  test('a list is read to its end, a page at a time', async () => {
    const path = { space_id: space.id };
    const titles = ['1', '2', '3', '4', '5'].map((number) => `Part ${number}`);
    for (const title of titles) {
      await ada.createModule({ path, body: { title, content_type: 'text' } });
    }
    const cursors: (string | undefined)[] = [];
    const found: string[] = [];
    const modules = paginate((cursor) => {
      cursors.push(cursor);
      return ada.listModules({ path, query: { limit: 2, cursor } });
    });
    for await (const { title } of modules) {
      found.push(title);
    }
    assert.deepEqual(new Set(found), new Set([...titles, 'Knots']));
    assert.deepEqual([cursors[0], cursors.length, new Set(cursors).size], [undefined, 3, 3]);
    for await (const _ of paginate((cursor) => ada.listModules({ path, query: { limit: 2, cursor } }))) {
      break;
    }
  });
});

suite('what makes requests safe', () => {
  test('what is sent twice with one key is done once', async () => {
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const first = await ada.createGoal({ body: { title: 'Learn to row' }, headers });
    const second = await ada.createGoal({ body: { title: 'Learn to row' }, headers });
    assert.equal(second.data.id, first.data.id);
    assert.equal(second.response.headers.get('idempotency-replayed'), 'true');
    const reused = await refusal(ada.createGoal({ body: { title: 'Learn to swim' }, headers }));
    assert.deepEqual([reused.status, reused.code], [422, 'idempotency_key_reused']);
  });

  test('a change is refused where somebody was faster, and what is unchanged is not sent again', async () => {
    const path = { goal_id: goal.id };
    const tag = (await ada.getGoal({ path })).response.headers.get('etag');
    assert.ok(tag);
    const same = await refusal(ada.getGoal({ path, headers: { 'If-None-Match': tag } }));
    assert.deepEqual([same.status, same.code], [304, 'not_modified']);
    await ada.updateGoal({ path, body: { priority: 3 }, headers: { 'If-Match': tag } });
    const late = await refusal(ada.updateGoal({ path, body: { priority: 4 }, headers: { 'If-Match': tag } }));
    assert.deepEqual([late.status, late.code], [412, 'changed']);
    assert.equal((await ada.getGoal({ path })).data.priority, 3);
  });

  test('a key is a token that may do less', async () => {
    const { data: key } = await ada.createKey({ body: { name: 'Reader', scopes: ['read'] } });
    assert.ok(key.key);
    const reader = createGoalSpaceClient({ baseUrl, getToken: () => key.key ?? undefined });
    assert.equal((await reader.getGoal({ path: { goal_id: goal.id } })).data.id, goal.id);
    const refused = await refusal(reader.createGoal({ body: { title: 'More' } }));
    assert.deepEqual([refused.status, refused.code], [403, 'scope_missing']);
    await ada.deleteKey({ path: { key_id: key.id } });
    assert.equal((await refusal(reader.getMe())).status, 401);
  });
});

suite('what goes wrong', () => {
  test('what is not there and what is somebody else’s read the same', async () => {
    const bob = await signUp();
    const missing = await refusal(ada.getGoal({ path: { goal_id: crypto.randomUUID() } }));
    const hidden = await refusal(bob.getGoal({ path: { goal_id: goal.id } }));
    for (const error of [missing, hidden]) {
      assert.deepEqual([error.status, error.code, error.message], [404, 'not_found', missing.problem.detail]);
    }
  });

  test('a conflict has its code, a wrong value its field', async () => {
    const taken = await refusal(ada.createSpace({ body: { goal_id: goal.id, title: 'Sailing' } }));
    assert.deepEqual([taken.status, taken.code], [409, 'title_taken']);
    const wrong = await refusal(ada.updateGoal({ path: { goal_id: goal.id }, body: { title: ' ' } }));
    assert.deepEqual([wrong.status, wrong.errors[0]?.path, wrong.retryAfter], [422, 'title', undefined]);
    assert.equal(zGoalCreate.safeParse({ title: ' ' }).success, false);
  });

  test('an answer of another shape is not taken for one', async () => {
    const answering = (body: unknown, init?: ResponseInit): GoalSpace =>
      createGoalSpaceClient({ baseUrl, fetch: async () => Response.json(body, init) });
    const { data } = await ada.listGoals();
    assert.deepEqual(zGoalReadPage.parse(data), data);
    assert.equal((await answering(goal).getGoal({ path: { goal_id: goal.id } })).data.title, goal.title);
    const strange = { ...goal, status: 'abandoned' };
    assert.equal(zGoalRead.safeParse(strange).success, false);
    await assert.rejects(answering(strange).getGoal({ path: { goal_id: goal.id } }), ZodError);
    const proxy = await refusal(answering('busy', { status: 503, headers: { 'retry-after': '7' } }).getMe());
    assert.deepEqual([proxy.status, proxy.code, proxy.retryAfter], [503, 'http_error', 7]);
  });

  test('what the network says is no refusal', async () => {
    const nobody = createGoalSpaceClient({ baseUrl: 'http://127.0.0.1:9' });
    await assert.rejects(nobody.getMe(), (error) => error instanceof TypeError);
  });
});
