import type { Problem } from './generated/index.js';
import { zProblem } from './generated/zod.gen.js';

/** A refusal of the service. `message` is for people, `code` for programs. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly problem: Problem,
    readonly response: Response,
  ) {
    super(problem.detail);
  }

  /** The HTTP status; 304 where the caller has already what it asked for. */
  get status(): number {
    return this.response.status;
  }

  /** Such as `not_found` or `slug_taken`; `http_error` where something else than the service has answered. */
  get code(): string {
    return this.problem.code;
  }

  /** The fields at fault, of 422 and some of 404. */
  get errors(): NonNullable<Problem['errors']> {
    return this.problem.errors ?? [];
  }

  /** In how many seconds the same request may succeed, of 429 and 503. */
  get retryAfter(): number | undefined {
    const seconds = Number.parseInt(this.response.headers.get('retry-after') ?? '', 10);
    return Number.isNaN(seconds) ? undefined : seconds;
  }
}

/** What a call throws for an answer that is no success. `body` is what came with it, read as JSON where it is JSON. */
export function toProblemError(body: unknown, response: Response): ProblemError {
  const read = zProblem.loose().safeParse(body);
  return new ProblemError(read.success ? read.data : describe(response), response);
}

function describe({ status, statusText }: Response): Problem {
  const detail = status === 304 ? 'It is what you have.' : `The answer was ${status}, and no reason was given.`;
  return { type: 'about:blank', title: statusText, status, detail, code: status === 304 ? 'not_modified' : 'http_error' };
}
