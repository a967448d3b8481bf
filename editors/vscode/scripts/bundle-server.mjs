/** Put what a set-up needs into `server/`: the wheel, the locked requirements, the installer. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const extension = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const repository = resolve(extension, "../..");
const target = join(extension, "server");
const uv = join(repository, ".venv", "bin", "uv");
const python = join(repository, ".venv", "bin", "python");

if (!existsSync(uv)) {
  console.error("There is no uv in .venv to build the wheel with: run `make install` first.");
  process.exit(1);
}
rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, "requirements"), { recursive: true });
execFileSync(
  uv,
  ["build", "--quiet", "--wheel", "--no-build-isolation", "--python", python, "--out-dir", target],
  { cwd: repository, stdio: "inherit" },
);
for (const name of readdirSync(target).filter((name) => name.startsWith("."))) {
  rmSync(join(target, name));
}
for (const name of ["install.py", "uv.txt", "torch-cpu.txt", "cpu.txt", "cuda.txt"]) {
  copyFileSync(join(repository, "requirements", name), join(target, "requirements", name));
}
copyFileSync(join(repository, "LICENSE"), join(extension, "LICENSE"));
