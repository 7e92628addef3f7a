// A conversation with a running service, held by AG-UI's own client. Prints what the client made of each turn as it
// ends: one JSON line with the turn's name.
//
//     node conversation.mjs ADDRESS SPACE      (the token comes on stdin, as no secret belongs into arguments)

import { readFileSync } from "node:fs";
import { HttpAgent } from "@ag-ui/client";

const [address, space] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${readFileSync(0, "utf8").trim()}` };

const agent = new HttpAgent({ url: `${address}/api/spaces/${space}/agent`, headers, threadId: "with-http-agent" });

// One turn: what the client's subscribers were told, and what it returned or threw.
async function turn(client, text, runId, { leaveAt } = {}) {
  const told = { text: "", events: [], tools: [], results: [], custom: {}, outcome: null, usage: null, error: null };
  if (text !== null) client.addMessage({ id: `${runId}-question`, role: "user", content: text });
  const subscriber = {
    onEvent: ({ event }) => void told.events.push([event.metadata.seq, event.type]),
    onTextMessageContentEvent: ({ event }) => {
      told.text += event.delta;
      if (told.text === leaveAt) client.abortRun();
    },
    onToolCallEndEvent: ({ toolCallName, toolCallArgs }) => void told.tools.push([toolCallName, toolCallArgs]),
    onToolCallResultEvent: ({ event }) => void told.results.push(event.content),
    onCustomEvent: ({ event }) => void (told.custom[event.name] = event.value),
    onRunFinishedEvent: ({ event, outcome }) => void Object.assign(told, { outcome, usage: event.usage }),
    onRunErrorEvent: ({ event }) => void (told.error = { code: event.code, message: event.message }),
  };
  try {
    const { newMessages } = await client.runAgent({ runId, abortController: new AbortController() }, subscriber);
    told.newMessages = newMessages;
  } catch (error) {
    told.thrown = { message: error.message, status: error.status, payload: error.payload };
  }
  return told;
}

// The service's replay is a stream like any other: the same client reads it, by GET.
function replayOf(runId) {
  return new HttpAgent({
    url: `${address}/api/runs/${runId}/events?after=0`,
    headers,
    threadId: "with-http-agent",
    fetch: (url, init) => fetch(url, { headers: init.headers, signal: init.signal }),
  });
}

const report = (name, told) => console.log(JSON.stringify([name, told]));

report("cited", await turn(agent, "Which knot makes a loop?", "r-cited"));
report("tool", await turn(agent, "What is to do?", "r-tool"));

const impatient = agent.clone();
report("left", await turn(agent, "Tell me all about ropes.", "r-left", { leaveAt: "Ropes are" }));
report("refused", await turn(impatient, "And quickly!", "r-refused"));
report("resumed", await turn(replayOf("r-left"), null, "r-left"));

report("failed", await turn(agent.clone(), "What does the broken model say?", "r-failed"));
report("next", await turn(agent, "Which knot was that again?", "r-next"));
report("messages", agent.messages);
