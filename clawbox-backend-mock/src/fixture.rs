//! The conformance suite's test image, with its programs as the mock runs them.

mod attack;
mod facts;
mod hostile;
mod litter;
mod probe;
mod syscalls;

use crate::{Exit, MockEngine, MockImage, Process};
use std::time::Duration;

/// The name of the test image.
pub const FIXTURE_IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";

/// Gives `engine` the test image, and the hostile ones beside it.
pub fn install(engine: &MockEngine) {
    engine.add_image(image());
    hostile::images().for_each(|image| engine.add_image(image));
}

/// The test image: no entrypoint, no command, `PATH=/bin`, a directory `/data` that everybody may write to,
/// and the programs `probe`, `true`, `false`, `echo` and `sleep`.
#[must_use]
pub fn image() -> MockImage {
    let image = MockImage::new(FIXTURE_IMAGE).expect("the image's name is a reference");
    let programs = ["busybox", "echo", "false", "probe", "sleep", "true"];
    let image = programs.iter().fold(image, |image, name| {
        image.with_file(&format!("/bin/{name}"), format!("\x7fELF {name}"))
    });
    image
        .with_directory("/data", 0o777)
        .with_file(
            "/etc/passwd",
            "root:x:0:0:root:/:/bin/sh\nagent:x:1000:1000:agent:/tmp:/bin/sh\n",
        )
        .with_file("/etc/group", "root:x:0:\nagent:x:1000:\n")
        .with_program("probe", probe::run)
        .with_program("true", |_: Process| async { 0 })
        .with_program("false", |_: Process| async { 1 })
        .with_program("echo", echo)
        .with_program("sleep", sleep)
}

async fn echo(process: Process) {
    let words = process.argv().get(1..).unwrap_or_default().join(" ");
    process.stdout(words + "\n").await;
}

/// Seconds, as a whole or decimal number.
async fn sleep(process: Process) -> Exit {
    let seconds = process
        .argv()
        .get(1)
        .and_then(|word| word.parse::<f64>().ok());
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) => {
            process.sleep(time).await;
            Exit::Code(0)
        }
        _ => {
            process.stderr("sleep: invalid number\n").await;
            Exit::Code(1)
        }
    }
}
