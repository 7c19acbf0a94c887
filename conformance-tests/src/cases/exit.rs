//! How a command ended, exactly.

use crate::{
    case::table,
    check::{Checked, ensure, same},
    context::Context,
};
use clawbox_probe::Command;
use clawbox_types::ContainerStatus;

table! { "exit":
    own_codes = "a command's own code is the report's: 0, 1, 2, 125, 126, 127, 137, 143, 255 (L16)",
    signals = "a command that dies of signal n has the code 128 + n: 9, 11, 15 (L16)",
}

async fn own_codes(context: &Context) -> Checked {
    let rig = context.rig()?;
    for code in [0, 1, 2, 125, 126, 127, 137, 143, 255] {
        let exit = rig.run(&Command::Exit { code }).await?.exit;
        same("exit code", exit.exit_code, Some(code.into()))?;
        let status = match code {
            0 => ContainerStatus::Completed,
            _ => ContainerStatus::Failed,
        };
        same(&format!("status after {code}"), exit.status, status)?;
        ensure!(
            exit.oom_killed != Some(true),
            "exit {code} counts as lack of memory"
        );
    }
    Ok(())
}

async fn signals(context: &Context) -> Checked {
    let rig = context.rig()?;
    for number in [9, 11, 15] {
        let exit = rig.run(&Command::Signal { number }).await?.exit;
        same(
            &format!("exit code after signal {number}"),
            exit.exit_code,
            Some(128 + number),
        )?;
        same("status", exit.status, ContainerStatus::Failed)?;
        ensure!(
            exit.oom_killed != Some(true),
            "signal {number} counts as lack of memory"
        );
    }
    Ok(())
}
