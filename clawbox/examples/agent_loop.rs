//! An agent that writes a shell program for its task, has it run in a sandbox, and writes another one where that fails:
//! the same code on the best engine that answers, and on the mock, which isolates nothing, where none does.
//!
//! `cargo run --example agent_loop [HOST [IMAGE]]`

use clawbox::{
    Capabilities, ConnectOptions, ContainerBackend, ContainerSpawnRequest, ExecRequest,
    containers::Sandbox,
    find,
    mock::{MockEngine, MockImage, Process, mock_backend},
};
use std::{env::args, error::Error, sync::Arc};
use tokio::io::AsyncReadExt;

const TASK: &str = "how many words has this sentence?";
const ATTEMPTS: usize = 3;

/// What a model would answer: a program for the task, in the light of what was wrong with the one before.
fn write_program(task: &str, complaint: Option<&str>) -> String {
    let counter = match complaint {
        None => "wordcount",
        Some(_) => "wc -w",
    };
    format!("echo '{task}' > /tmp/task\n{counter} < /tmp/task\n")
}

async fn solve(sandbox: &Sandbox, task: &str) -> Result<String, Box<dyn Error>> {
    let mut complaint = None;
    for attempt in 1..=ATTEMPTS {
        let program = write_program(task, complaint.as_deref());
        let request = ExecRequest::new(["sh", "-se"])
            .with_stdin(program)
            .with_timeout_ms(5_000)
            .with_max_output_bytes(64 * 1024);
        let report = sandbox.exec(request).await?;
        let what = match (report.timed_out, report.exit_code) {
            (false, 0) => return Ok(report.output.stdout.text().trim().to_owned()),
            (false, code) => format!("exit code {code}: {}", report.output.stderr.text().trim()),
            (true, _) => "it did not end in time".to_owned(),
        };
        println!("attempt {attempt}: {what}");
        complaint = Some(what);
    }
    Err(format!("no program solved it in {ATTEMPTS} attempts").into())
}

/// On the mock nothing runs: programs are played.
fn mock() -> Result<Arc<dyn ContainerBackend>, Box<dyn Error>> {
    let engine = MockEngine::new();
    engine.add_image(MockImage::new("alpine")?.with_program("sh", play_shell));
    Ok(Arc::new(mock_backend(engine)?))
}

async fn play_shell(process: Process) -> u8 {
    let mut program = String::new();
    if process.stdin().read_to_string(&mut program).await.is_err() {
        return 1;
    }
    if program.contains("wordcount") {
        process.stderr("sh: wordcount: not found\n").await;
        return 127;
    }
    process.stdout("6\n").await;
    0
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = args().nth(1);
    let image = args().nth(2).unwrap_or_else(|| "alpine".to_owned());
    let (backend, image) = match find(host.as_deref()).await {
        Ok(found) => (found.connect(&ConnectOptions::new())?, image),
        Err(error) => {
            eprintln!("on the mock: {error}");
            (mock()?, "alpine".to_owned())
        }
    };
    let request = ContainerSpawnRequest::new(TASK, Capabilities::default()).with_image(image);
    let sandbox = Sandbox::open(backend, request).await?;
    let answer = solve(&sandbox, TASK).await?;
    sandbox.close().await?;
    println!("{TASK} {answer}");
    assert_eq!(answer, "6");
    Ok(())
}
