import { readFileSync } from 'node:fs';

const document = JSON.parse(readFileSync(new URL('./openapi.json', import.meta.url), 'utf-8'));

// Answers of the mentor stream as AG-UI events, which clients of that protocol read. The generator's own reader repeats
// a request without end when it is refused, and a question must not be asked twice.
const streams = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(([, operation]) => Object.values(operation.responses).some((answer) => answer.content?.['text/event-stream']))
    .map(([method]) => `${method.toUpperCase()} ${path}`),
);

export default {
  input: './openapi.json',
  output: './src/generated',
  interactive: false,
  logs: { file: false, level: 'warn' },
  parser: { filters: { operations: { exclude: streams }, orphans: true } },
  plugins: [
    { name: '@hey-api/client-fetch', throwOnError: true },
    '@hey-api/typescript',
    { name: 'zod', dates: { offset: true }, requests: false },
    {
      name: '@hey-api/sdk',
      operations: { strategy: 'single', containerName: 'GoalSpace', methods: 'instance' },
      validator: { response: 'zod' },
    },
  ],
};
