//! Backends that do not do what their operator set, or their caller asks.

use crate::{
    rig::Setup,
    sabotage::{How, Sabotage},
};
use clawbox_containers::{EngineTimeouts, InitProgram, seccomp::SeccompProfileName};
use clawbox_types::{ContainerSpawnRequest, PolicyItem, SandboxPolicy};
use std::time::Duration;

const fn set_up(id: &'static str, breaks: &'static str, change: fn(&mut Setup)) -> Sabotage {
    Sabotage::new(id, breaks, How::Setup(change))
}

const fn asked(
    id: &'static str,
    breaks: &'static str,
    change: fn(&mut ContainerSpawnRequest),
) -> Sabotage {
    Sabotage::new(id, breaks, How::Request(change))
}

pub(super) const TABLE: &[Sabotage] = &[
    set_up(
        "init/ours_in_any_case",
        "process 1 is ours where the engine's was set",
        |setup| setup.security.init = InitProgram::Clawbox,
    ),
    set_up("operator/all_degraded", "every item may fail", |s| {
        s.security.allow_degraded = PolicyItem::ALL.iter().copied().collect()
    }),
    set_up("operator/none_degraded", "no item may fail", |s| {
        s.security.allow_degraded.clear()
    }),
    set_up("operator/strict_filter", "the filter is strict", |s| {
        s.security.seccomp_profile = SeccompProfileName::Strict
    }),
    set_up("operator/compat_filter", "the filter is compat", |s| {
        s.security.seccomp_profile = SeccompProfileName::Compat
    }),
    set_up("operator/user", "the user is always 1000", |s| {
        s.security.user = "1000:1000".to_owned()
    }),
    set_up(
        "operator/images",
        "every image of the registry's is allowed",
        |s| {
            s.security
                .allowed_images
                .extend(["evil.example/*".to_owned(), "alpine".to_owned()])
        },
    ),
    set_up(
        "operator/default_image",
        "the default image needs no rule",
        |s| {
            s.security
                .allowed_images
                .push(s.security.default_image.clone())
        },
    ),
    set_up(
        "operator/maxima",
        "the operator's maxima are the default ones",
        |s| {
            s.security.max_memory_mb = 512;
            s.security.pids = 256;
            s.security.cpu_millis = 1000;
        },
    ),
    set_up("operator/places", "there are always 12 places", |s| {
        s.manager.max_containers = 12
    }),
    set_up("operator/one_place", "there is one place", |s| {
        s.manager.max_containers = 1
    }),
    set_up("operator/no_grace", "there is no grace period", |s| {
        s.manager.stop_grace = Duration::ZERO
    }),
    set_up(
        "operator/long_grace",
        "the grace period is ten seconds",
        |s| s.manager.stop_grace = Duration::from_secs(10),
    ),
    set_up("operator/patience", "the engine may take an hour", |s| {
        s.manager.timeouts = EngineTimeouts::all(Duration::from_secs(3600))
    }),
    set_up("operator/no_leases", "no lease is taken", |s| {
        s.manager.state_dir = None
    }),
    set_up(
        "operator/rare_reaper",
        "the background reaper looks once an hour",
        |s| s.manager.reap_interval = Duration::from_secs(3600),
    ),
    set_up(
        "operator/any_workspace",
        "workspaces may be below each of the host's directories",
        |s| {
            let all = std::fs::read_dir("/").into_iter().flatten();
            let all = all.filter_map(|entry| Some(entry.ok()?.path()));
            s.security.workspace_roots.extend(all);
        },
    ),
    set_up("operator/no_workspace", "no workspace may be had", |s| {
        s.security.workspace_roots.clear()
    }),
    set_up("operator/lenient", "an image may ask for anything", |s| {
        s.security.strict_images = false
    }),
    set_up("operator/scratch", "scratch space is as by default", |s| {
        s.security.tmpfs = vec!["/tmp".to_owned()]
    }),
    asked(
        "request/limits_ignored",
        "the limits are the default ones",
        |r| r.capabilities = clawbox_types::Capabilities::default(),
    ),
    asked(
        "request/limits_cut",
        "limits are cut to what is possible",
        |r| {
            let limits = &mut r.capabilities.resources;
            limits.memory_mb = limits.memory_mb.clamp(8, 64);
            limits.timeout_ms = limits.timeout_ms.max(1000);
            limits.cpu_shares = limits.cpu_shares.max(2);
            limits.max_output_bytes = limits.max_output_bytes.min(1 << 20);
            limits.pids = limits.pids.map(|pids| pids.clamp(8, 32));
            limits.cpu_millis = limits.cpu_millis.map(|millis| millis.clamp(100, 500));
        },
    ),
    asked(
        "request/output_bound_ignored",
        "the bound of the output is the default one",
        |r| r.capabilities.resources.max_output_bytes = 1 << 20,
    ),
    asked(
        "request/policy_ignored",
        "every policy is the default one",
        |r| r.policy = SandboxPolicy::Container,
    ),
    asked(
        "request/image_ignored",
        "every image is the default one",
        |r| r.image = None,
    ),
    asked(
        "request/image_guessed",
        "images without a name in front are the default one",
        |r| {
            if r.image
                .as_ref()
                .is_some_and(|image| !image.contains("example"))
            {
                r.image = None
            }
        },
    ),
    asked(
        "request/reserved_dropped",
        "reserved variables are silently left out",
        |r| r.env.retain(|key, _| !is_reserved(&key.to_uppercase())),
    ),
    asked(
        "request/impossible_dropped",
        "impossible variables are silently left out",
        |r| {
            r.env.retain(|key, value| {
                !key.is_empty()
                    && key.len() < 100
                    && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    && value.len() < 100
                    && !value.contains('\0')
            });
            if r.env.len() > 100 {
                r.env.clear()
            }
        },
    ),
    asked(
        "request/environment_ignored",
        "the request's variables are left out",
        |r| r.env.clear(),
    ),
    asked(
        "request/working_directory_ignored",
        "the working directory is the image's",
        |r| r.working_dir = None,
    ),
    asked(
        "request/arguments_ignored",
        "the request's arguments are left out",
        |r| r.args = None,
    ),
    asked(
        "request/command_for_the_entrypoint",
        "a command goes to the image's entrypoint",
        |r| r.args = r.command.take().or(r.args.take()),
    ),
    asked(
        "request/command_guessed",
        "an impossible command becomes a possible one",
        |r| {
            if let Some(argv) = &mut r.command
                && (argv.is_empty()
                    || argv
                        .iter()
                        .any(|word| word.is_empty() || word.contains('\0') || word.len() > 1 << 20))
            {
                *argv = vec!["true".to_owned()]
            }
        },
    ),
    asked(
        "request/command_invented",
        "what has no command gets one",
        |r| {
            if r.command.is_none() && r.args.is_none() {
                r.command = Some(vec!["true".to_owned()])
            }
        },
    ),
    asked("request/proxy_ignored", "the proxy is not bound", |r| {
        r.proxy_socket = None
    }),
    asked("request/workspaces_ignored", "no workspace is bound", |r| {
        r.workspaces.clear()
    }),
    asked(
        "request/workspaces_writable",
        "a read-only workspace can be written",
        |r| r.workspaces.iter_mut().for_each(|it| it.read_only = false),
    ),
    asked(
        "request/one_workspace",
        "only the first of several workspaces is bound",
        |r| r.workspaces.truncate(1),
    ),
];

fn is_reserved(key: &str) -> bool {
    key.ends_with("_PROXY")
        || ["CLAWBOX_", "LD_"]
            .iter()
            .any(|start| key.starts_with(start))
        || ["BASH_ENV", "ENV", "PYTHONSTARTUP", "NODE_OPTIONS"].contains(&key)
}
