//! A container from spawn to removal: its output as it comes, our signals, its end.

use super::{Args, moving, report::Report};
use crate::cli::{input, interrupt::Interrupts, pull::Pull, say::Say, status};
use clawbox::{
    Config, ContainerBackend, ContainerError, ContainerId, ContainerResult, ContainerSpawnRequest,
    ContainerStatus, ExitReport, OutputFollower, OutputStream, ResourceLimits,
};
use std::{
    io::{self, ErrorKind},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncWriteExt, sync::Notify, time::sleep};

/// How long a reader of ours may take for the last output after a signal.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command that `args` ask for, and notes in `report` what becomes of it. Nothing is left of it
/// at the engine.
pub(super) async fn attend(
    args: &Args,
    config: &Config,
    pull: &Arc<Pull>,
    say: Say,
    report: &mut Report,
) -> ContainerResult<u8> {
    let request = args.request(config)?;
    let options = args.sandbox.options(config, pull);
    moving::check(args, options.security.init)?;
    let backend = args.sandbox.engine.connect(options, say).await?;
    let identity = backend.pre_generate_id()?;
    let run = Run {
        id: identity.id.clone(),
        limits: request.capabilities.resources.clone(),
        backend,
        say,
    };
    let mut interrupts = Interrupts::listen()?;
    let spawned = run
        .spawn(request.with_identity(identity), &mut interrupts, report)
        .await;
    pull.done();
    if let Some(status) = spawned? {
        return Ok(status);
    }
    report.container_id = Some(run.id.clone());
    let status = if args.moves_files() {
        run.see_through_with_files(args, &mut interrupts, report)
            .await
    } else {
        run.see_through(args, &mut interrupts, report).await
    };
    if status.is_err() {
        run.remove().await;
    }
    status
}

pub(super) struct Run {
    pub(super) backend: Arc<dyn ContainerBackend>,
    pub(super) id: ContainerId,
    pub(super) limits: ResourceLimits,
    pub(super) say: Say,
}

impl Run {
    /// Brings the container up. A signal meanwhile takes it back, and its status is returned. Where the policy does
    /// not hold, the engine is asked about its host, as that is the likely reason.
    async fn spawn(
        &self,
        request: ContainerSpawnRequest,
        interrupts: &mut Interrupts,
        report: &mut Report,
    ) -> ContainerResult<Option<u8>> {
        let mut spawned = pin!(self.backend.spawn(request));
        let status = tokio::select! {
            spawned = &mut spawned => {
                if let Err(ContainerError::PolicyNotEnforced { .. }) = spawned {
                    report.backend = self.backend.info().await.ok();
                }
                return spawned.map(|_| None);
            }
            status = interrupts.next() => status,
        };
        // The first ends because of the second.
        let ending = async { tokio::join!(spawned, self.remove()) };
        self.unless_impatient(ending, interrupts).await;
        Ok(Some(status))
    }

    /// Shows the output and waits for the end, whatever comes first, and for the removal after it.
    async fn see_through(
        &self,
        args: &Args,
        interrupts: &mut Interrupts,
        report: &mut Report,
    ) -> ContainerResult<u8> {
        self.note_enforcement(report)?;
        let follower = self.backend.follow_output(&self.id)?;
        let (interrupted, over) = (Notify::new(), Notify::new());
        let ended = async {
            let exit = self.backend.wait(&self.id).await;
            over.notify_one();
            self.remove().await;
            exit
        };
        let fed = async {
            let fed = tokio::select! {
                fed = self.feed(args.stdin) => fed,
                () = over.notified() => Ok(()),
            };
            if fed.is_err() {
                // Half of it would pass for the whole.
                self.remove().await;
            }
            fed
        };
        let shown = async {
            let shown = tokio::select! {
                shown = show(follower) => shown,
                () = self.last_words(&interrupted) => Ok(()),
            };
            if shown.is_err() {
                // Nobody sees what it does any more.
                self.remove().await;
            }
            shown
        };
        let engine = async {
            match args.report {
                Some(_) => self.backend.info().await.ok(),
                None => None,
            }
        };
        let mut all = pin!(async { tokio::join!(ended, shown, fed, engine) });
        let ended = tokio::select! {
            ended = &mut all => Ok(ended),
            status = interrupts.next() => Err(status),
        };
        let (signalled, (exit, shown, fed, engine)) = match ended {
            Ok(ended) => (None, ended),
            Err(status) => {
                interrupted.notify_one();
                // How this call ends is told by the removal above.
                let ending = async { tokio::join!(all, self.backend.kill(&self.id)).0 };
                match self.unless_impatient(ending, interrupts).await {
                    Some(ended) => (Some(status), ended),
                    None => return Ok(status),
                }
            }
        };
        let exit = exit?;
        self.remark(&exit);
        report.backend = engine;
        if args.report.is_some() {
            let output = self.backend.collect_output(&self.id).await?;
            report.output = Some((&output).into());
        }
        let own = status::of_exit(&exit);
        report.exit = Some(exit);
        if let (None, Err(error)) = (signalled, fed) {
            self.say
                .problem(&format!("standard input could not be read: {error}"));
            return Ok(status::REFUSED);
        }
        Ok(match (signalled, shown) {
            (Some(status), _) => status,
            (None, Ok(())) => own,
            (None, Err(error)) if error.kind() == ErrorKind::BrokenPipe => status::NOBODY_READS,
            (None, Err(error)) => {
                self.say
                    .problem(&format!("the output could not be written: {error}"));
                status::REFUSED
            }
        })
    }

    /// Has the command read what comes to us, where that is wanted.
    async fn feed(&self, wanted: bool) -> io::Result<()> {
        if !wanted {
            return Ok(());
        }
        match self.backend.take_stdin(&self.id) {
            Ok(stdin) => input::pass_on(stdin).await,
            // A command that has ended reads nothing.
            Err(ContainerError::InvalidState { .. }) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    pub(super) fn note_enforcement(&self, report: &mut Report) -> ContainerResult<()> {
        let enforcement = self.backend.enforcement(&self.id)?;
        report.degraded = enforcement.not_enforced().map(|item| item.item).collect();
        for item in enforcement.not_enforced() {
            self.say.note(&format!("running although {item}"));
        }
        report.enforcement = Some(enforcement);
        Ok(())
    }

    /// The time when showing output may end although a reader of ours has not taken all of it.
    async fn last_words(&self, interrupted: &Notify) {
        interrupted.notified().await;
        // An unknown container has nothing to say either.
        drop(self.backend.wait(&self.id).await);
        sleep(LAST_WORDS).await;
    }

    /// Ends the container if need be, and waits until the engine has confirmed that it is gone.
    pub(super) async fn remove(&self) {
        match self.backend.kill(&self.id).await {
            Ok(()) | Err(ContainerError::NotFound { .. }) => {}
            Err(error) => {
                self.say.error(&error);
                self.left();
            }
        }
    }

    /// Waits for the end after a signal, or until the next signal says that it takes too long.
    pub(super) async fn unless_impatient<T>(
        &self,
        ending: impl Future<Output = T>,
        interrupts: &mut Interrupts,
    ) -> Option<T> {
        let mut ending = pin!(ending);
        tokio::select! {
            ended = &mut ending => return Some(ended),
            () = sleep(LAST_WORDS) => {}
        }
        self.say
            .note("waiting for the container to end; another signal gives up on it");
        tokio::select! {
            ended = ending => Some(ended),
            _ = interrupts.next() => {
                self.say.problem("not waiting any longer");
                self.left();
                None
            }
        }
    }

    fn left(&self) {
        let id = &self.id;
        self.say.problem(&format!(
            "container {id} may be left; `clawbox cleanup` removes it"
        ));
    }

    /// What the person at the terminal cannot see in the output.
    pub(super) fn remark(&self, exit: &ExitReport) {
        let note = |text: String| self.say.note(&text);
        if exit.status == ContainerStatus::TimedOut {
            let limit = Duration::from_millis(self.limits.timeout_ms);
            let limit = humantime::format_duration(limit);
            note(format!("ended at its deadline of {limit} (--timeout)"));
        }
        if exit.status == ContainerStatus::Lost {
            self.say.problem(
                "the container vanished from the engine; how the command ended is not known",
            );
        }
        let memory = self.limits.memory_mb;
        match (exit.oom_killed, exit.exit_code) {
            (Some(true), _) => note(format!(
                "the container ran out of its {memory} MiB of memory (--memory)"
            )),
            (None, Some(137)) => note(format!(
                "the command was killed (SIGKILL), perhaps for lack of memory: it had {memory} MiB (--memory)"
            )),
            _ => {}
        }
        let kept = self.limits.max_output_bytes;
        for (stream, dropped) in [
            ("stdout", exit.stdout_dropped),
            ("stderr", exit.stderr_dropped),
        ] {
            if dropped > 0 {
                note(format!(
                    "{dropped} bytes of {stream} were dropped after the first {kept} (--max-output)"
                ));
            }
        }
        if exit.output_incomplete {
            note("the connection to the output broke, so some of it may be missing".to_owned());
        }
    }
}

/// Copies the output to ours, byte for byte and as it comes.
async fn show(mut output: OutputFollower) -> io::Result<()> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    while let Some((stream, bytes)) = output.next().await {
        match stream {
            OutputStream::Stdout => {
                stdout.write_all(&bytes).await?;
                stdout.flush().await?;
            }
            OutputStream::Stderr => {
                stderr.write_all(&bytes).await?;
                stderr.flush().await?;
            }
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "mock"))]
mod tests {
    use super::*;
    use clawbox::mock::{Limit, MockEngine, fixture, mock_backend};

    #[tokio::test]
    async fn an_engine_that_does_not_hold_the_policy_is_asked_about_its_host() {
        let engine = MockEngine::new();
        fixture::install(&engine);
        engine.without(Limit::Memory);
        let run = Run {
            backend: Arc::new(mock_backend(engine).unwrap()),
            id: ContainerId::generate(),
            limits: ResourceLimits::default(),
            say: Say { quiet: true },
        };
        let image = "ghcr.io/n0xmare/clawbox-fixture:1";
        let request = ContainerSpawnRequest::new("test", clawbox::Capabilities::default())
            .with_image(image)
            .with_command(["probe", "exit", "0"]);
        let mut report = Report::new(image);
        let mut interrupts = Interrupts::listen().unwrap();
        let refused = run.spawn(request, &mut interrupts, &mut report).await;
        assert!(
            matches!(refused, Err(ContainerError::PolicyNotEnforced { .. })),
            "{refused:?}"
        );
        assert_eq!(report.backend.unwrap().name, "mock");
    }
}
