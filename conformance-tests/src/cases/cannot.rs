//! The negative twin of each declaration: what the host cannot enforce is refused, unless the operator lets it fail.

use super::gate::refusal;
use crate::{
    case::table,
    check::{Checked, Stop, ensure, same},
    context::Context,
    rig::{SLEEPER, request},
    tap::Call,
};
use clawbox_probe::Command;
use clawbox_types::{PolicyItem, Verdict};

table! { "cannot":
    #[twin(Pids)]
    pids = "without a limit of processes nothing runs, unless the operator lets it fail",
    #[twin(Memory)]
    memory = "without a memory limit nothing runs, unless the operator lets it fail",
    #[twin(Swap)]
    swap = "without a swap limit nothing runs, unless the operator lets it fail",
    #[twin(Cpu)]
    cpu = "without a CPU quota nothing runs, unless the operator lets it fail",
    #[twin(CpuShares)]
    cpu_shares = "without a CPU weight nothing runs, unless the operator lets it fail",
}

async fn pids(context: &Context) -> Checked {
    twin(context, PolicyItem::Pids).await
}

async fn memory(context: &Context) -> Checked {
    twin(context, PolicyItem::Memory).await
}

async fn swap(context: &Context) -> Checked {
    twin(context, PolicyItem::Swap).await
}

async fn cpu(context: &Context) -> Checked {
    twin(context, PolicyItem::Cpu).await
}

async fn cpu_shares(context: &Context) -> Checked {
    twin(context, PolicyItem::CpuShares).await
}

async fn twin(context: &Context, item: PolicyItem) -> Checked {
    let strict = context.rig_with(|setup| {
        setup.security.allow_degraded.remove(&item);
    })?;
    let error = match strict.backend.spawn(request(&SLEEPER)).await {
        Err(error) => error,
        Ok(info) => {
            let report = strict.backend.enforcement(&info.container_id)?;
            let found = report.get(item);
            let what = match found.map(|item| item.verdict) {
                Some(Verdict::Enforced) => "a stale declaration, as it is enforced",
                _ => "no refusal where it is insisted on",
            };
            let told = found.map(ToString::to_string).unwrap_or_default();
            return Err(Stop::Failed(format!("{item}: {what}: {told}")));
        }
    };
    same("started", strict.tap.count(Call::Start), 0)?;
    let items = refusal(context, &strict, error).await?;
    let told: Vec<_> = items.iter().map(|item| (item.item, item.verdict)).collect();
    same("what is refused", told, [(item, Verdict::NotEnforced)])?;
    same("listed after the refusal", strict.backend.list().len(), 0)?;
    let tokens = strict.backend.token_store().len();
    same("tokens after the refusal", tokens, 0)?;

    let lenient = context.rig()?;
    let ran = lenient.run(&Command::Exit { code: 7 }).await?;
    same("exit code", ran.exit.exit_code, Some(7))?;
    let report = lenient.backend.enforcement(&ran.id)?;
    let not: Vec<_> = report.not_enforced().map(|item| item.item).collect();
    ensure!(
        not.contains(&item),
        "{item} is not reported as not enforced: {not:?}"
    );
    // Other declarations have twins of their own.
    let undeclared: Vec<_> = not
        .iter()
        .filter(|item| !context.declared(**item))
        .collect();
    ensure!(
        undeclared.is_empty(),
        "not enforced and not declared: {undeclared:?}"
    );
    Ok(())
}
