//! `clawbox shell`: a terminal in a sandbox.

mod terminal;

use super::{hints, input, interrupt::Interrupts, pull::Pull, sandbox::Options, say::Say, status};
use clawbox::{
    Config, ContainerError, ContainerResult, ExecHandle, ExecRequest, containers::Sandbox,
};
use futures_util::StreamExt;
use std::{io, pin::pin, sync::Arc};
use terminal::OwnTerminal;
use tokio::{
    io::AsyncWriteExt,
    signal::unix::{SignalKind, signal},
};

const EXAMPLES: &str = "\
Exit status: the command's own; 124 at the deadline; 125 when clawbox refused or failed;
  126 not executable, 127 not found; 128 + n after signal n
Examples:
  clawbox shell --image alpine
  clawbox shell --image debian --timeout 1h --workspace . -- bash";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) sandbox: Options,
    /// The command and its arguments [default: sh]
    #[arg(
        trailing_var_arg = true,
        value_name = "COMMAND",
        hide_default_value = true
    )]
    #[arg(default_value = "sh")]
    command: Vec<String>,
}

/// Opens the sandbox, and gives the command's exit status or clawbox's own.
pub(crate) async fn execute(args: &Args, config: &Config, say: Say) -> u8 {
    let Some(ours) = OwnTerminal::find() else {
        say.problem("standard input is not a terminal; `clawbox run --stdin` reads from elsewhere");
        return status::REFUSED;
    };
    match open(args, config, &ours, say).await {
        Ok(status) => status,
        Err(error) => {
            say.failure(&error, &hints::hints(&error, None));
            status::of_failure(&error)
        }
    }
}

async fn open(args: &Args, config: &Config, ours: &OwnTerminal, say: Say) -> ContainerResult<u8> {
    let mut interrupts = Interrupts::listen()?;
    let pull = Pull::new(args.sandbox.image(config), say);
    let request = args.sandbox.request(config)?;
    let options = args.sandbox.options(config, &pull);
    let backend = args.sandbox.engine.connect(options, say).await?;
    let identity = backend.pre_generate_id()?;
    let id = identity.id.clone();
    let opened = {
        let request = request.with_identity(identity);
        let mut opening = pin!(Sandbox::open(Arc::clone(&backend), request));
        tokio::select! {
            opened = &mut opening => Ok(opened),
            status = interrupts.next() => {
                // The first ends because of the second.
                drop(tokio::join!(opening, backend.kill(&id)));
                Err(status)
            }
        }
    };
    pull.done();
    let sandbox = match opened {
        Ok(sandbox) => sandbox?,
        Err(status) => return Ok(status),
    };
    let mut request = ExecRequest::new(&args.command).with_terminal(ours.size());
    if let Ok(kind) = std::env::var("TERM") {
        request = request.with_env("TERM", kind);
    }
    let ended = match sandbox.exec_stream(request).await {
        Ok(handle) => attend(&sandbox, handle, ours, &mut interrupts, say).await,
        Err(error) => Err(error),
    };
    let closed = sandbox.close().await;
    let status = ended?;
    closed?;
    Ok(status)
}

/// Joins the two terminals until the command ends.
async fn attend(
    sandbox: &Sandbox,
    handle: ExecHandle,
    ours: &OwnTerminal,
    interrupts: &mut Interrupts,
    say: Say,
) -> ContainerResult<u8> {
    let ExecHandle {
        stdin,
        mut output,
        running,
        terminal,
    } = handle;
    let io = |what, source| ContainerError::Io {
        what,
        path: "/dev/tty".into(),
        source,
    };
    // As it was again when this is dropped, whatever happens.
    let raw = ours.raw().map_err(|error| io("having it raw", error))?;
    let mut changes =
        signal(SignalKind::window_change()).map_err(|error| io("listening for its size", error))?;
    let shown = async {
        let mut stdout = tokio::io::stdout();
        while let Some(chunk) = output.next().await {
            stdout.write_all(&chunk?.bytes).await?;
            stdout.flush().await?;
        }
        io::Result::Ok(())
    };
    let mut ended = pin!(async { tokio::join!(running, shown) });
    let mut typed = pin!(async {
        match stdin {
            Some(stdin) => input::pass_on(stdin).await,
            None => Ok(()),
        }
    });
    let (ended, shown) = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            // Our terminal is gone, and so is whoever sat there.
            _ = &mut typed => return Ok(status::NOBODY_READS),
            status = interrupts.next() => return Ok(status),
            _ = changes.recv() => if let Some(terminal) = &terminal {
                let resized = terminal.resize(ours.size());
                resized.map_err(|error| io("passing on its size", error))?;
            },
        }
    };
    drop(raw);
    if let Err(error) = shown {
        say.problem(&format!("the terminal could not be written to: {error}"));
        return Ok(status::REFUSED);
    }
    match ended {
        Ok(end) => Ok(u8::try_from(end.exit_code).unwrap_or(u8::MAX)),
        // The container has ended first.
        Err(ContainerError::InvalidState { .. }) => {
            let status = status::of_exit(&sandbox.wait().await?);
            if status == status::DEADLINE {
                say.note("ended at its deadline (--timeout)");
            }
            Ok(status)
        }
        Err(error) => Err(error),
    }
}
