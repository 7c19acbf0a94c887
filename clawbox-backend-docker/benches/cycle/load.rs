//! Much at once in one container that runs: a hundred further commands, and one that prints a gigabyte.

use crate::{Outcome, table::percentile};
use clawbox_containers::{
    ContainerBackend,
    types::{ContainerId, ExecRequest},
};
use futures_util::{StreamExt, future::try_join_all};
use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// By its path, as the engine knows nothing of the command's environment, and so of no `PATH`.
const TRUE: &str = "/bin/true";
const AT_ONCE: usize = 100;
const ROUNDS: usize = 20;
const STEPS: usize = 60;
/// Between rounds, so that each has the whole of the container's share of the processor.
const REST: Duration = Duration::from_millis(300);

/// Prints a gigabyte, in pieces as a pipe takes them.
const PRINTER: [&str; 4] = ["/bin/dd", "if=/dev/zero", "bs=64k", "count=16384"];
const PRINTED: u64 = 64 * 1024 * 16384;
const FLOODS: usize = 5;

/// Where the time of a further command goes, each after a rest and one right after the other.
pub(crate) async fn steps(backend: &dyn ContainerBackend, id: &ContainerId) -> Outcome<()> {
    for (rest, how) in [(REST, "after a rest"), (Duration::ZERO, "without a rest")] {
        let mut times = [const { Vec::new() }; 3];
        for round in 0..=STEPS {
            sleep(rest).await;
            let start = Instant::now();
            let mut handle = backend.exec_stream(id, ExecRequest::new([TRUE])).await?;
            drop(handle.stdin.take());
            let runs = start.elapsed();
            handle.running.await?;
            let ended = start.elapsed();
            while let Some(chunk) = handle.output.next().await {
                chunk?;
            }
            if round > 0 {
                for (times, took) in times.iter_mut().zip([runs, ended, start.elapsed()]) {
                    times.push(took);
                }
            }
        }
        let [runs, ended, read] = times.each_mut().map(|times| percentile(times, 50));
        println!("\n{STEPS} times `true` {how}; milliseconds at p50");
        println!("it runs after {runs:.2}, has ended after {ended:.2}, is read after {read:.2}");
    }
    Ok(())
}

/// Runs `true` a hundred times at once, and that again and again.
pub(crate) async fn many(backend: &dyn ContainerBackend, id: &ContainerId) -> Outcome<()> {
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        sleep(REST).await;
        let start = Instant::now();
        let commands = (0..AT_ONCE).map(|_| backend.exec(id, ExecRequest::new([TRUE])));
        let reports = try_join_all(commands).await?;
        let took = start.elapsed();
        if let Some(bad) = reports.iter().find(|report| report.exit_code != 0) {
            return Err(format!("{bad:?}").into());
        }
        // The first round warms up and is not counted.
        if round > 0 {
            times.push(took);
        }
    }
    let a_second = |milliseconds: f64| AT_ONCE as f64 * 1000.0 / milliseconds;
    let (p50, p95) = (percentile(&mut times, 50), percentile(&mut times, 95));
    println!("\n{ROUNDS} times {AT_ONCE} of `true` at once in one sandbox; milliseconds");
    println!("p50 {p50:.1}, p95 {p95:.1}: {:.0} a second", a_second(p50));
    Ok(())
}

/// Reads a gigabyte of a further command's output, and has `engine`'s own exec print it through `cat`, in turns.
pub(crate) async fn flood(
    backend: &dyn ContainerBackend,
    id: &ContainerId,
    engine: impl Fn() -> Command,
) -> Outcome<()> {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let mut grown = 0;
    for round in 0..FLOODS * 2 {
        let start = Instant::now();
        if round % 2 == 0 {
            piped(&mut engine())?;
            theirs.push(start.elapsed());
        } else {
            let before = peak_afresh()?;
            streamed(backend, id).await?;
            ours.push(start.elapsed());
            grown = grown.max(peak()?.saturating_sub(before));
        }
    }
    let rate = |milliseconds: f64| PRINTED as f64 / 1e6 / milliseconds;
    let (theirs, ours) = (percentile(&mut theirs, 50), percentile(&mut ours, 50));
    println!("\n{FLOODS} times 1 GiB of a further command's output; GB a second at p50");
    println!("the engine's exec | cat  {:.2}", rate(theirs));
    println!(
        "clawbox                  {:.2}, and {grown} KiB more of memory at its peak",
        rate(ours)
    );
    Ok(())
}

async fn streamed(backend: &dyn ContainerBackend, id: &ContainerId) -> Outcome<()> {
    let mut handle = backend.exec_stream(id, ExecRequest::new(PRINTER)).await?;
    drop(handle.stdin.take());
    let mut seen = 0;
    while let Some(chunk) = handle.output.next().await {
        let chunk = chunk?;
        if chunk.stream == clawbox_containers::types::OutputStream::Stdout {
            seen += chunk.bytes.len() as u64;
        }
    }
    let end = handle.running.await?;
    match (end.exit_code, seen) {
        (0, PRINTED) => Ok(()),
        _ => Err(format!("{seen} bytes, {end:?}").into()),
    }
}

fn piped(engine: &mut Command) -> Outcome<()> {
    let printing = engine
        .args(PRINTER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut printing = printing.spawn()?;
    let output = printing.stdout.take().ok_or("no output")?;
    let read = Command::new("cat")
        .stdin(output)
        .stdout(Stdio::null())
        .status()?;
    match (printing.wait()?, read) {
        (printed, read) if printed.success() && read.success() => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Begins anew to keep the most memory that this process has had, and gives what it has now, in KiB.
fn peak_afresh() -> Outcome<u64> {
    fs::write("/proc/self/clear_refs", "5")?;
    peak()
}

fn peak() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}
