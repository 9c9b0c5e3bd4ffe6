// npm runs this after `npm ci`, before packing, and when `npx aivm` first links the project. In the
// last case nothing may be installed yet, and a failure would leave npx's cache broken for good.
import { execSync } from "node:child_process";
import { existsSync } from "node:fs";

if (existsSync(new URL("../node_modules/typescript", import.meta.url))) {
  execSync("npm run build", { stdio: "inherit", cwd: new URL("..", import.meta.url) });
} else {
  console.error("aivm: not building, the dependencies are missing. Run `npm ci` first.");
}
