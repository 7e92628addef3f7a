import { createClient, createConfig } from './generated/client/index.js';
import { GoalSpace } from './generated/index.js';
import { toProblemError } from './problem.js';

export interface GoalSpaceOptions {
  /** Where the service is, such as `https://goalspace.example.org`. */
  baseUrl: string;
  /** Asked before each request for a token or a key; without one the request is made as nobody. */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** Instead of the platform's own. */
  fetch?: typeof fetch;
}

/** A client of its own, which shares nothing with others. Calls throw `ProblemError` for every refusal. */
export function createGoalSpaceClient({ baseUrl, getToken, fetch }: GoalSpaceOptions): GoalSpace {
  const client = createClient(createConfig({ baseUrl, auth: getToken, fetch, throwOnError: true }));
  // Without an answer there is no refusal: what the network said is thrown as it is.
  client.interceptors.error.use((error, response: Response | undefined) =>
    response === undefined ? error : toProblemError(error, response),
  );
  return new GoalSpace({ client });
}
