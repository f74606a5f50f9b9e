// What a program does with the API, through a client whose types are generated from docs/openapi.json. `scripts/contract`
// compiles it with every check there is, and then runs it: `node client.js URL` ends with 0 if all of it holds.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Task = components["schemas"]["TaskDocument"];
type Problem = components["schemas"]["Problem"];

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] ?? "http://127.0.0.1:8000" });

function hold(condition: boolean, what: string): asserts condition {
    if (!condition) throw new Error(`does not hold: ${what}`);
}

function told(what: string, problem: Problem): Error {
    const fields = (problem.errors ?? []).map((error) => `${error.pointer} ${error.detail}`);
    return new Error(`${what}: ${problem.status} ${problem.code} ${problem.detail} ${fields.join(", ")}`);
}

async function submit(): Promise<Task> {
    const { data, error, response } = await client.POST("/tasks", {
        params: { header: { "Idempotency-Key": `contract-${Date.now()}`, Prefer: "wait=10" } },
        body: {
            description: "Build a user authentication system",
            priority: "high",
            context: { asked_by: "a generated client" },
            subtasks: [
                { name: "plan", description: "Plan it" },
                { name: "build", description: "Build it", depends_on: [{ name: "plan", on_failure: "skip" }] },
            ],
        },
    });
    if (error) throw told("submit", error);
    hold(response.headers.get("ETag") !== null, "a task has a revision");
    return data;
}

async function look(task: Task): Promise<void> {
    const params = { path: { task_id: task.task_id } };
    const read = await client.GET("/tasks/{task_id}", { params });
    if (read.error) throw told("read", read.error);
    hold(read.data.status === "completed" && read.data.subtasks.length === 2, "the task has completed");

    const listed = await client.GET("/tasks", { params: { query: { status: "completed", limit: 10 } } });
    if (listed.error) throw told("list", listed.error);
    hold(listed.data.tasks.some((one) => one.task_id === task.task_id), "the list has the task");

    const result = await client.GET("/result/{task_id}", { params });
    if (result.error) throw told("result", result.error);
}

async function beRefused(task: Task): Promise<void> {
    const { error, response } = await client.POST("/tasks/{task_id}/cancel", { params: { path: { task_id: task.task_id } } });
    hold(error !== undefined && response.status === 409, "what has ended cannot be cancelled");
    hold(error.code === "not_cancellable", "a problem has a code for programs");
}

const task = await submit();
await look(task);
await beRefused(task);
console.log(`ok: a generated client submits, reads, lists and is refused: ${task.task_id}`);
