import type { TraceResult } from "../server/protocol";

/** Write the trace of a completion for people, as Markdown. */
export function traceText(trace: TraceResult | null): string {
  if (trace === null) {
    return "# Midfill: trace\n\nNothing has been completed since the server started.\n";
  }
  const place = `${trace.uri}, line ${trace.line + 1}, character ${trace.character + 1}`;
  const parts = [
    "# Midfill: trace of the last completion",
    [`**${outcomeText(trace)}**`, trace.reason].filter(Boolean).join("  \n"),
    [
      `- Where: ${place}`,
      `- Asked: ${trace.trigger === "invoked" ? "by a command" : "automatically"}, to complete ${scopeText(trace.scope)}`,
      `- Time: ${milliseconds(trace.totalMs)}, first token after ${milliseconds(trace.ttftMs)}`,
      `- Tokens: ${trace.promptTokens} read (${trace.cachedTokens} of them from the cache), ${trace.outputTokens} written`,
      `- From: ${trace.source ?? "nowhere: nothing was generated"}`,
      `- Request: ${trace.requestId}`,
    ].join("\n"),
    section("Shown", trace.shown),
    section("Written by the model", trace.generated),
    cutsText(trace),
    snippetsText(trace),
    `## What the model read\n\n${fenced(trace.prompt)}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

function outcomeText(trace: TraceResult): string {
  const outcomes: Readonly<Record<string, string>> = {
    shown: "Something was offered.",
    empty: "Nothing was offered.",
    superseded: "A newer request took its place.",
    cancelled: "The editor took the request back.",
    failed: "The request failed.",
  };
  return outcomes[trace.outcome] ?? trace.outcome;
}

function scopeText(scope: string | null): string {
  return scope === null ? "nothing" : `a ${scope}`;
}

function milliseconds(value: number | null): string {
  return value === null ? "never" : `${Math.round(value)} ms`;
}

function section(title: string, texts: readonly string[]): string {
  const body = texts.length > 0 ? texts.map(fenced).join("\n\n") : "Nothing.";
  return `## ${title}\n\n${body}`;
}

function cutsText(trace: TraceResult): string {
  if (trace.cuts.length === 0) return "## What the filters changed\n\nNothing.";
  const each = trace.cuts.map(
    (cut) =>
      `### ${cut.filter}\n\nBefore:\n\n${fenced(cut.before)}\n\nAfter:\n\n${fenced(cut.after)}`,
  );
  return `## What the filters changed\n\n${each.join("\n\n")}`;
}

function snippetsText(trace: TraceResult): string {
  const lines = (trace.snippets ?? []).map(
    (each) => `- ${each.path} (${each.source}), ${each.chars} characters`,
  );
  return `## Snippets of other files\n\n${lines.length > 0 ? lines.join("\n") : "None."}`;
}

/** Fence a text with more backticks than it holds in a row. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text.endsWith("\n") ? text.slice(0, -1) : text}\n${fence}`;
}
