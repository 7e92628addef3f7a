// One run of the mentor, as its events tell it. Events come at least once and in any number of pieces; each counts once.

const ENDED = ['completed', 'cancelled', 'failed', 'interrupted', 'awaiting_approval'];

export class Run {
  seq = 0; // number of the last event that was taken in
  status = 'running';
  text = '';
  citations = [];
  notices = []; // {name, value}
  tools = new Map(); // by id: {name, arguments, state: 'running' | 'done' | 'failed', data}
  error = null; // {code, message}
  proposed = false; // it waited for the learner's word, or does
  stopping = false;

  constructor(id) {
    this.id = id;
  }

  /** A run that has ended, from the stored answer, which may be missing. */
  static ended(id, status, answer) {
    const run = new Run(id);
    run.status = status;
    if (answer) {
      run.text = answer.message;
      run.citations = answer.citations;
      run.notices = answer.metadata?.notices ?? [];
      run.error = answer.metadata?.error ?? null;
      run.proposed = (answer.metadata?.proposed ?? []).length > 0;
      run.usedTools = run.proposed || (answer.metadata?.rounds ?? 0) > 1;
    }
    return run;
  }

  get ended() {
    return ENDED.includes(this.status);
  }

  /** Take an event in. `foreign`: it is another run's; `seen`: it was here before; `gap`: some before it are missing;
   * else `taken`. The first event may give the run another name: a message that was sent before keeps its run. */
  take(event) {
    const { seq, runId } = event.metadata ?? {};
    const isNamed = this.seq > 0 || event.type !== 'RUN_STARTED';
    if (isNamed && runId !== undefined && runId !== this.id) return 'foreign';
    if (seq !== undefined) {
      if (seq <= this.seq) return 'seen';
      if (seq > this.seq + 1) return 'gap';
      this.seq = seq;
    }
    this[`on_${event.type}`]?.(event);
    return 'taken';
  }

  on_RUN_STARTED(event) {
    this.id = event.runId;
  }

  on_TEXT_MESSAGE_CONTENT(event) {
    this.text += event.delta;
  }

  on_TOOL_CALL_START(event) {
    this.tools.set(event.toolCallId, { name: event.toolCallName, arguments: '', state: 'running', data: null });
  }

  on_TOOL_CALL_ARGS(event) {
    const tool = this.tools.get(event.toolCallId);
    if (tool) tool.arguments += event.delta;
  }

  on_TOOL_CALL_RESULT(event) {
    const tool = this.tools.get(event.toolCallId);
    if (tool) tool.state = 'done';
  }

  on_CUSTOM({ name, value }) {
    if (name === 'citations') {
      this.citations = value;
    } else if (name === 'tool_result') {
      const tool = this.tools.get(value.tool_call_id);
      if (tool) tool.data = value.data;
    } else {
      this.notices.push({ name, value });
    }
  }

  on_RUN_FINISHED(event) {
    const outcome = event.outcome?.type;
    this.proposed = outcome === 'interrupt';
    for (const interrupt of event.outcome?.interrupts ?? []) {
      const tool = this.tools.get(interrupt.toolCallId);
      if (tool) tool.state = 'waiting';
    }
    this.#end(outcome === 'cancelled' ? 'cancelled' : outcome === 'interrupt' ? 'awaiting_approval' : 'completed');
  }

  on_RUN_ERROR(event) {
    this.error = { code: event.code, message: event.message };
    this.#end(event.code === 'interrupted' ? 'interrupted' : 'failed');
  }

  #end(status) {
    this.status = status;
    for (const tool of this.tools.values()) if (tool.state === 'running') tool.state = 'failed';
  }
}
