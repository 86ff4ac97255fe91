// Asks an independent simulator of IAM. Standard input: a list of simulations. Standard output: for each whether it is
// allowed, or null if the simulator leaves out something that the request says.
import { runSimulation } from "@cloud-copilot/iam-simulate";

let text = "";
for await (const part of process.stdin) text += part;

const answers = [];
for (const simulation of JSON.parse(text)) {
  const said = await runSimulation(simulation, {});
  if (said.resultType !== "single") throw new Error(JSON.stringify([simulation.request, said]));
  answers.push(said.result.ignoredContextKeys?.length ? null : said.overallResult === "Allowed");
}
console.log(JSON.stringify(answers));
