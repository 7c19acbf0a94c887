//! A run that files go into and come out of: a container that waits, into which they are put, in which the command runs,
//! and out of which they are got before it goes.

use super::{
    Args,
    attend::Run,
    report::{Report, Transfer},
};
use crate::cli::{hints, input, interrupt::Interrupts, status, values::Moved};
use clawbox::{
    ContainerError, ContainerOutput, ContainerResult, ContainerStatus, ExecRequest, ExecStdin,
    ExitReport, FileProblem, Files, InitProgram, OutputStream, TransferReport,
    containers::{
        ExecOutput,
        init::{CONTAINER_INIT, CONTAINER_INIT_WAIT},
    },
    types::{CapturedStream, ExecEnd},
};
use futures_util::{FutureExt, StreamExt};
use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};
use tokio::{io::AsyncWriteExt, sync::Notify};

impl Args {
    pub(super) fn moves_files(&self) -> bool {
        !self.put.is_empty() || !self.get.is_empty()
    }

    /// What the container is started with.
    pub(super) fn first_command(&self) -> Vec<String> {
        if self.moves_files() {
            [CONTAINER_INIT, CONTAINER_INIT_WAIT]
                .map(str::to_owned)
                .into()
        } else {
            self.command.clone()
        }
    }
}

impl Run {
    /// Puts files, runs the command with its output shown, gets files, and removes the container.
    pub(super) async fn see_through_with_files(
        &self,
        args: &Args,
        interrupts: &mut Interrupts,
        report: &mut Report,
    ) -> ContainerResult<u8> {
        self.note_enforcement(report)?;
        let outcome = {
            let work = self.work(args, report);
            tokio::select! {
                done = work => Ok(done),
                status = interrupts.next() => Err(status),
            }
        };
        let done = match outcome {
            Ok(done) => done,
            Err(status) => {
                self.unless_impatient(self.remove(), interrupts).await;
                return Ok(status);
            }
        };
        let exit = match done {
            // The container's own end, which is its deadline's unless somebody else ended it.
            Err(ContainerError::InvalidState { .. }) => self.backend.wait(&self.id).await?,
            done => done?,
        };
        self.remark(&exit);
        if args.report.is_some() {
            report.backend = self.backend.info().await.ok();
        }
        self.remove().await;
        let own = status::of_exit(&exit);
        report.exit = Some(exit);
        Ok(own)
    }

    async fn work(&self, args: &Args, report: &mut Report) -> ContainerResult<ExitReport> {
        let files = Files::of(&*self.backend, &self.id);
        for moved in &args.put {
            let moved = put(&files, moved).await?;
            self.tell(moved, report);
        }
        let request = ExecRequest::new(&args.command);
        let mut handle = self.backend.exec_stream(&self.id, request).await?;
        let stdin = handle.stdin.take().filter(|_| args.stdin);
        let mut shown = ContainerOutput::default();
        let over = Notify::new();
        let running = async {
            let end = handle.running.await;
            over.notify_one();
            end
        };
        let showing = show(handle.output, self.limits.max_output_bytes, &mut shown);
        // Half of it would pass for the whole, so an error ends the command.
        let feeding = async {
            let fed = tokio::select! {
                fed = feed(stdin) => fed,
                () = over.notified() => Ok(()),
            };
            fed.map_err(|error| unusable(Path::new("standard input"), error))
        };
        let showing = showing.map(Ok);
        let (end, written, ()) = tokio::try_join!(running, showing, feeding)?;
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            let problem = format!("the output could not be written: {error}");
            self.say.problem(&problem);
        }
        report.output = Some((&shown).into());
        let exit = exit_of(&end, &shown);
        for moved in &args.get {
            let moved = get(&files, moved).await?;
            self.tell(moved, report);
        }
        Ok(exit)
    }

    fn tell(&self, moved: Transfer, report: &mut Report) {
        for finding in &moved.report.findings {
            self.say.note(&format!("{}: {finding}", moved.inside));
        }
        match moved.report.more_findings {
            0 => {}
            more => self
                .say
                .note(&format!("{}: {more} more such", moved.inside)),
        }
        report.transfers.push(moved);
    }
}

fn exit_of(end: &ExecEnd, shown: &ContainerOutput) -> ExitReport {
    let mut exit = ExitReport::new(match end.exit_code {
        0 => ContainerStatus::Completed,
        _ => ContainerStatus::Failed,
    });
    exit.exit_code = Some(end.exit_code);
    exit.signal = end.signal;
    exit.stdout_dropped = shown.stdout.dropped;
    exit.stderr_dropped = shown.stderr.dropped;
    exit
}

/// Copies the output to ours as it comes, up to a limit for each stream, and counts it.
async fn show(mut output: ExecOutput, limit: u64, shown: &mut ContainerOutput) -> io::Result<()> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some(chunk) = output.next().await {
        let chunk = chunk?;
        let CapturedStream { bytes, dropped } = match chunk.stream {
            OutputStream::Stdout => &mut shown.stdout,
            OutputStream::Stderr => &mut shown.stderr,
        };
        let room = limit.saturating_sub(bytes.len()).min(chunk.bytes.len());
        let (kept, beyond) = chunk.bytes.split_at(room);
        bytes.extend_from_slice(kept);
        *dropped += beyond.len() as u64;
        match chunk.stream {
            OutputStream::Stdout => {
                stdout.write_all(kept).await?;
                stdout.flush().await?;
            }
            OutputStream::Stderr => {
                stderr.write_all(kept).await?;
                stderr.flush().await?;
            }
        }
    }
    Ok(())
}

async fn feed(stdin: Option<ExecStdin>) -> io::Result<()> {
    match stdin {
        Some(stdin) => input::pass_on(stdin).await,
        None => Ok(()),
    }
}

/// One of the host's paths cannot be used.
fn unusable(path: &Path, source: io::Error) -> ContainerError {
    ContainerError::Io {
        what: "reading what goes in",
        path: path.to_owned(),
        source,
    }
}

async fn put(files: &Files<'_>, moved: &Moved) -> ContainerResult<Transfer> {
    let Moved { host, inside } = moved;
    let metadata = fs::metadata(host).map_err(|error| unusable(host, error))?;
    let mut inside = inside.clone();
    if inside.ends_with('/') {
        let name = host.file_name().unwrap_or_default();
        inside.push_str(&name.to_string_lossy());
    }
    let report = if metadata.is_dir() {
        files.put_from(&inside, host).await?
    } else {
        let file = tokio::fs::File::open(host).await;
        let file = file.map_err(|error| unusable(host, error))?;
        let mode = metadata.permissions().mode() & 0o777;
        one_file(files.put_with_mode(&inside, mode, file).await?)
    };
    let host = host.clone();
    Ok(Transfer {
        direction: "put",
        host,
        inside,
        report,
    })
}

async fn get(files: &Files<'_>, moved: &Moved) -> ContainerResult<Transfer> {
    let Moved { host, inside } = moved.clone();
    let name = inside.rsplit('/').find(|part| !part.is_empty());
    let file = match name {
        Some(name) if host.is_dir() => host.join(name),
        _ => host.clone(),
    };
    let report = match files.get_file(&inside, &file).await {
        Ok(bytes) => one_file(bytes),
        Err(ContainerError::Files {
            problem: FileProblem::Directory,
            ..
        }) => files.get_into(&inside, &host).await?,
        Err(error) => return Err(error),
    };
    Ok(Transfer {
        direction: "get",
        host,
        inside,
        report,
    })
}

fn one_file(bytes: u64) -> TransferReport {
    let mut report = TransferReport::default();
    (report.files, report.bytes) = (1, bytes);
    report
}

/// Process 1 must be clawbox's for this.
pub(super) fn check(args: &Args, init: InitProgram) -> ContainerResult<()> {
    match init {
        InitProgram::Engine if args.moves_files() => {
            hints::refused("init", "engine", "clawbox, where files are put or got")
        }
        _ => Ok(()),
    }
}
