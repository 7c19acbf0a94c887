//! What a command printed: byte for byte, apart, bounded, at any time.

use crate::{
    case::table,
    check::{Checked, ensure, same, same_bytes},
    context::Context,
    rig::{DEAF_SLEEPER, Ran, SLEEPER, limits, request, request_within},
};
use clawbox_probe::{Command, Pattern, Stream, pattern};
use clawbox_types::{ContainerStatus, OutputStream};

table! { "output":
    nothing = "a command that prints nothing has empty output (L18)",
    without_final_newline = "a last line without newline is whole, and no newline is added (L18)",
    streams_apart = "stdout and stderr are kept apart",
    binary = "every byte value comes through, NUL among them (R10)",
    beyond_the_bound = "of 5 MB against 256 KiB the first are kept and the rest is counted, to the byte (R09)",
    just_the_bound = "output that just fits is whole, and one byte more is counted",
    bound_of_nothing = "with a bound of 0 output is only counted",
    characters_across_borders = "characters that lie across 16 KiB borders are whole",
    while_running = "output is there while the command runs (L19)",
    during_cleanup = "what is being collected or followed when it is cleaned up is not lost (P08)",
    any_number_of_times = "collecting twice gives the same (L19)",
    after_a_kill = "output stays after a kill, until it is cleaned up (L19)",
    followed_from_the_beginning = "following gives everything from the beginning, to the end, to every follower",
}

fn flood(pattern: Pattern, stdout: u64, stderr: u64) -> Command {
    Command::Flood {
        pattern,
        stdout,
        stderr,
    }
}

/// The streams hold the beginning of the pattern, this much of it, and have counted the rest.
fn holds(ran: &Ran, kind: Pattern, kept: [usize; 2], dropped: [u64; 2]) -> Checked {
    let output = &ran.output;
    same("exit code", ran.exit.exit_code, Some(0))?;
    same_bytes(
        "stdout",
        &output.stdout.bytes,
        &pattern(kind, Stream::Stdout, kept[0]),
    )?;
    same_bytes(
        "stderr",
        &output.stderr.bytes,
        &pattern(kind, Stream::Stderr, kept[1]),
    )?;
    same(
        "dropped",
        [output.stdout.dropped, output.stderr.dropped],
        dropped,
    )?;
    let reported = [ran.exit.stdout_dropped, ran.exit.stderr_dropped];
    same("dropped by the report", reported, dropped)?;
    ensure!(
        !output.incomplete && !ran.exit.output_incomplete,
        "whole output counts as incomplete"
    );
    Ok(())
}

async fn nothing(context: &Context) -> Checked {
    let ran = context.rig()?.run(&Command::Exit { code: 0 }).await?;
    holds(&ran, Pattern::Ascii, [0, 0], [0, 0])
}

async fn without_final_newline(context: &Context) -> Checked {
    let rig = context.rig()?;
    for text in ["no newline", "one\nno newline", "\n", "newline\n"] {
        let print = Command::Print {
            stdout: text.to_owned(),
            stderr: text.to_owned(),
            exit: 0,
        };
        let output = rig.run(&print).await?.output;
        same("stdout", output.stdout.text(), text)?;
        same("stderr", output.stderr.text(), text)?;
    }
    Ok(())
}

async fn streams_apart(context: &Context) -> Checked {
    let ran = context
        .rig()?
        .run(&flood(Pattern::Ascii, 100_000, 70_001))
        .await?;
    holds(&ran, Pattern::Ascii, [100_000, 70_001], [0, 0])
}

async fn binary(context: &Context) -> Checked {
    let ran = context
        .rig()?
        .run(&flood(Pattern::Binary, 65_537, 1000))
        .await?;
    holds(&ran, Pattern::Binary, [65_537, 1000], [0, 0])
}

async fn beyond_the_bound(context: &Context) -> Checked {
    const BOUND: usize = 256 * 1024;
    let limits = limits().with_max_output_bytes(BOUND as u64);
    let flood = request_within(&flood(Pattern::Ascii, 5_000_000, 5_000_001), limits);
    let ran = context.rig()?.run_request(flood).await?;
    let over = 5_000_000 - BOUND as u64;
    holds(&ran, Pattern::Ascii, [BOUND; 2], [over, over + 1])
}

async fn just_the_bound(context: &Context) -> Checked {
    let limits = limits().with_max_output_bytes(4096);
    let flood = request_within(&flood(Pattern::Ascii, 4096, 4097), limits);
    let ran = context.rig()?.run_request(flood).await?;
    holds(&ran, Pattern::Ascii, [4096; 2], [0, 1])
}

async fn bound_of_nothing(context: &Context) -> Checked {
    let limits = limits().with_max_output_bytes(0);
    let flood = request_within(&flood(Pattern::Ascii, 500, 0), limits);
    let ran = context.rig()?.run_request(flood).await?;
    holds(&ran, Pattern::Ascii, [0; 2], [500, 0])
}

async fn characters_across_borders(context: &Context) -> Checked {
    let (out, err) = (4 * 16_384 + 1, 3 * 16_384 + 1);
    let ran = context
        .rig()?
        .run(&flood(Pattern::Multibyte, out, err))
        .await?;
    holds(
        &ran,
        Pattern::Multibyte,
        [out as usize, err as usize],
        [0, 0],
    )?;
    ensure!(
        std::str::from_utf8(&ran.output.stdout.bytes).is_ok(),
        "stdout is not UTF-8"
    );
    Ok(())
}

async fn while_running(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.printed(&id, "ready\n").await?;
    let output = rig.backend.collect_output(&id).await?;
    same("stdout", output.stdout.text(), "ready\n")?;
    let status = rig.backend.get(&id).map(|info| info.status);
    same("status", status, Some(ContainerStatus::Running))
}

async fn during_cleanup(context: &Context) -> Checked {
    let rig = context.rig()?;
    let print = Command::Print {
        stdout: "all of it".to_owned(),
        stderr: String::new(),
        exit: 0,
    };
    let id = rig.spawn(request(&print)).await?.container_id;
    let mut follower = rig.backend.follow_output(&id)?;
    rig.backend.wait(&id).await?;
    let collect = rig.backend.collect_output(&id);
    let (output, cleaned) = tokio::join!(collect, rig.backend.cleanup_stopped());
    same("cleaned up", cleaned?, 1)?;
    same("collected", output?.stdout.text(), "all of it")?;
    let mut followed = Vec::new();
    while let Some((_, bytes)) = follower.next().await {
        followed.extend(bytes);
    }
    same("followed", String::from_utf8_lossy(&followed), "all of it")
}

async fn any_number_of_times(context: &Context) -> Checked {
    let rig = context.rig()?;
    let ran = rig.run(&flood(Pattern::Ascii, 1000, 10)).await?;
    same(
        "collected again",
        rig.backend.collect_output(&ran.id).await?,
        ran.output,
    )
}

async fn after_a_kill(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.spawn(request(&DEAF_SLEEPER)).await?.container_id;
    rig.printed(&id, "ready\n").await?;
    rig.backend.kill(&id).await?;
    let output = rig.backend.collect_output(&id).await?;
    same("stdout", output.stdout.text(), "ready\n")?;
    same("cleaned up", rig.backend.cleanup_stopped().await?, 1)?;
    ensure!(
        rig.backend.collect_output(&id).await.is_err(),
        "output outlives the cleaning up"
    );
    Ok(())
}

async fn followed_from_the_beginning(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig
        .spawn(request(&flood(Pattern::Ascii, 200_000, 300)))
        .await?
        .container_id;
    let early = rig.backend.follow_output(&id)?;
    rig.backend.wait(&id).await?;
    let late = rig.backend.follow_output(&id)?;
    for mut follower in [early, late] {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some((stream, bytes)) = follower.next().await {
            match stream {
                OutputStream::Stdout => out.extend(bytes),
                OutputStream::Stderr => err.extend(bytes),
            }
        }
        same_bytes(
            "stdout",
            &out,
            &pattern(Pattern::Ascii, Stream::Stdout, 200_000),
        )?;
        same_bytes(
            "stderr",
            &err,
            &pattern(Pattern::Ascii, Stream::Stderr, 300),
        )?;
    }
    let running = rig.spawn(request(&SLEEPER)).await?.container_id;
    rig.printed(&running, "ready\n").await
}
