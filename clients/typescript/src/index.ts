export { createGoalSpaceClient, type GoalSpaceOptions } from './client.js';
export * from './generated/index.js';
export { paginate, type Page } from './paginate.js';
export { ProblemError } from './problem.js';
