// Asks an independent simulator of IAM: a list of simulations on standard input, a list of true and false on standard output.
import { runSimulation } from "@cloud-copilot/iam-simulate";

let text = "";
for await (const part of process.stdin) text += part;

const answers = [];
for (const simulation of JSON.parse(text)) {
  const said = await runSimulation(simulation, {});
  if (said.resultType === "error") throw new Error(JSON.stringify([simulation.request, said.errors]));
  answers.push(said.overallResult === "Allowed");
}
console.log(JSON.stringify(answers));
