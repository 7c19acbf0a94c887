//! Builds the program that is process 1, with the compiler that builds everything else and for the same target.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What a compiler that links is told: there is no C library, no start-up code and no library at all.
const DRIVER: [&str; 3] = ["-nostartfiles", "-nostdlib", "-static"];

/// What the linker is told: nothing that differs from build to build, no executable stack, and no room for parts that
/// are protected apart, of which there are none.
const LINKER: [&str; 3] = ["--build-id=none", "-znoexecstack", "-znorelro"];

fn main() -> ExitCode {
    println!("cargo::rustc-check-cfg=cfg(built)");
    for path in ["build.rs", "program", "src/protocol"] {
        println!("cargo::rerun-if-changed={path}");
    }
    if env::var_os("CARGO_FEATURE_PROGRAM").is_none() || !is_supported() {
        return ExitCode::SUCCESS;
    }
    match build() {
        Ok(program) => {
            println!("cargo::rustc-env=CLAWBOX_INIT={}", program.display());
            println!("cargo::rustc-cfg=built");
            ExitCode::SUCCESS
        }
        Err(why) => {
            for line in why.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether the program knows this target's kernel and registers.
fn is_supported() -> bool {
    let value = |name| env::var(name).unwrap_or_default();
    value("CARGO_CFG_TARGET_OS") == "linux"
        && value("CARGO_CFG_TARGET_POINTER_WIDTH") == "64"
        && value("CARGO_CFG_TARGET_ENDIAN") == "little"
        && ["x86_64", "aarch64"].contains(&value("CARGO_CFG_TARGET_ARCH").as_str())
}

fn build() -> Result<PathBuf, String> {
    let program = PathBuf::from(variable("OUT_DIR")?).join("clawbox-init");
    // No flags of the user's: those are for programs that have an operating system under them.
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["--crate-name", "clawbox_init", "--crate-type", "bin"])
        .args(["--edition", "2024", "--cfg", "free_standing"])
        .arg("--target")
        .arg(variable("TARGET")?)
        .args(["-C", "panic=abort"])
        .args(["-C", "opt-level=s"])
        .args(["-C", "lto=fat"])
        .args(["-C", "codegen-units=1"])
        .args(["-C", "strip=symbols"])
        .args(["-C", "debug-assertions=off"])
        .args(["-C", "overflow-checks=on"])
        .args(["-C", "relocation-model=static"])
        .args(["-C", "target-feature=+crt-static"]);
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "musl") {
        // Rust brings its own start-up code there.
        rustc.args(["-C", "link-self-contained=no"]);
    }
    let linker = env::var_os("RUSTC_LINKER").map(PathBuf::from);
    if let Some(linker) = &linker {
        let mut option = OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    if linker.as_deref().is_some_and(is_plain_linker) {
        rustc.args(LINKER.map(|argument| format!("-Clink-arg={argument}")));
    } else {
        rustc.args(DRIVER.map(|argument| format!("-Clink-arg={argument}")));
        rustc.args(LINKER.map(|argument| format!("-Clink-arg=-Wl,{argument}")));
    }
    rustc.arg("-o").arg(&program).arg("program/main.rs");

    let output = rustc
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", rustc.get_program().display()))?;
    if output.status.success() {
        return Ok(program);
    }
    Err(format!(
        "process 1 of clawbox's containers could not be built: rustc ended with {}\n\
         {}\n\
         To link it, a C compiler must be there: apt install gcc, dnf install gcc, apk add gcc musl-dev. For another \
         target, cargo's configuration names its linker.\n\
         To do without it, turn off the feature `program` of the crate clawbox-init.",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end(),
    ))
}

/// Whether it is a linker itself, and not a compiler that calls one.
fn is_plain_linker(linker: &Path) -> bool {
    let name = linker.file_name().and_then(OsStr::to_str).unwrap_or("");
    let last = name.rsplit(['-', '.']).next();
    last.is_some_and(|last| ["ld", "lld", "mold", "wild"].contains(&last))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo has not set {name}"))
}
