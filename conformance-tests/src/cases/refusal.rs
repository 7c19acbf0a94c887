//! Requests and configurations that are refused before any engine hears of them.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, Setup, limits, request, request_within},
};
use clawbox_containers::ContainerError;
use clawbox_types::{ContainerSpawnRequest, SandboxPolicy, Violation};

table! { "refusal":
    everything_at_once = "all violations of a request are listed at once",
    image_not_allowed = "an image that no rule names is `ImageNotAllowed`, with the rules (PARITY 4)",
    no_image_allowed = "without rules no image is allowed",
    impossible_images = "what is no image reference is `InvalidRequest` (V03)",
    names_of_one_image = "every way to write an allowed image is allowed, and its digest as well (V02)",
    names_alike = "an image of another registry, of the engine's own or of another folder is not the allowed one (V04)",
    long_task = "a task of 8 MB is refused (V12)",
    wasm_only = "a policy that asks for no container is refused",
    reserved_environment = "reserved keys are refused by name, in any case (C04)",
    impossible_environment = "impossible keys and values are refused, and no value is repeated (C05)",
    impossible_commands = "an empty program, NUL and arguments without end are refused (V10)",
    impossible_limits = "limits that no host could hold are refused (V05, V07, V08, V09)",
    limits_above_the_operators = "limits above the operator's are refused, not cut",
    working_directories = "a working directory in /proc, /sys or /dev, or with .., is refused (E23)",
    proxy_paths = "a proxy path that is no socket in a directory of its own is refused (F09, F10, F12)",
    configurations = "an impossible configuration is refused, all of it at once (V13, V14)",
}

/// The error of a spawn that must be refused without a word to the engine, and leave nothing.
async fn refuse(rig: &Rig, request: ContainerSpawnRequest) -> Checked<ContainerError> {
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    same("calls to the engine", rig.tap.calls(), [])?;
    ensure!(
        rig.backend.list().is_empty(),
        "the refused container is listed"
    );
    ensure!(
        rig.backend.token_store().is_empty(),
        "the refused container's token is valid"
    );
    Ok(error)
}

/// The violations of a spawn that must be refused.
async fn violations(rig: &Rig, request: ContainerSpawnRequest) -> Checked<Vec<Violation>> {
    match refuse(rig, request).await? {
        ContainerError::PolicyDenied { violations }
        | ContainerError::InvalidRequest { violations } => Ok(violations),
        other => Err(other.into()),
    }
}

/// The one field that a spawn must be refused for.
async fn refuse_for(rig: &Rig, request: ContainerSpawnRequest, field: &str) -> Checked {
    let found = violations(rig, request).await?;
    let fields: Vec<&str> = found
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    same("the violations' fields", fields, [field])
}

async fn everything_at_once(context: &Context) -> Checked {
    let mut limits = limits().with_pids(1);
    limits.memory_mb = 0;
    let request = request_within(&SLEEPER, limits)
        .with_image("evil.example/x")
        .with_policy(SandboxPolicy::WasmOnly)
        .with_env("LD_PRELOAD", "x")
        .with_env("A=B", "x")
        .with_command([""])
        .with_working_dir("/proc/self/fd/7")
        .with_proxy_socket("relative/proxy.sock");
    let error = refuse(&context.rig()?, request).await?;
    let text = error.to_string();
    let ContainerError::PolicyDenied { violations } = error else {
        return Err(error.into());
    };
    for field in [
        "capabilities.resources.memory_mb",
        "capabilities.resources.pids",
        "command",
        "env",
        "env.LD_PRELOAD",
        "image",
        "policy",
        "proxy_socket",
        "working_dir",
    ] {
        ensure!(
            violations.iter().any(|v| v.field == field),
            "{field} is not among: {text}"
        );
        ensure!(text.contains(field), "{field} is not named: {text}");
    }
    Ok(())
}

async fn image_not_allowed(context: &Context) -> Checked {
    let rig = context.rig()?;
    // The last ones begin as the allowed one does.
    let image = context.image();
    for other in [
        "evil.example/x".to_owned(),
        "alpine".to_owned(),
        format!("evil.example/{image}"),
    ] {
        let error = refuse(&rig, request(&SLEEPER).with_image(&other)).await?;
        let text = error.to_string();
        ensure_matches!(error, ContainerError::ImageNotAllowed { allowed, .. } if allowed.len() == 1, other);
        ensure!(text.contains(image), "the rule is not named: {text}");
    }
    Ok(())
}

async fn no_image_allowed(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.security.allowed_images.clear();
        setup.manager.max_containers = 0;
    })?;
    let error = refuse(&rig, request(&SLEEPER)).await?;
    ensure_matches!(error, ContainerError::ImageNotAllowed { allowed, .. } if allowed.is_empty(), "no rules");
    Ok(())
}

async fn impossible_images(context: &Context) -> Checked {
    let rig = context.rig()?;
    let long = "a".repeat(5000);
    for image in [
        "",
        "ALPINE",
        "alpine:",
        " alpine",
        "\u{430}lpine",
        "a\0b",
        "..",
        "x@y@z",
        &long,
    ] {
        let found = violations(&rig, request(&SLEEPER).with_image(image)).await?;
        ensure!(
            found.iter().any(|v| v.field == "image"),
            "{image:?} is refused for {found:?}"
        );
        ensure!(
            found.iter().all(|v| v.value.len() < 200),
            "all of {image:.20}… is repeated"
        );
    }
    Ok(())
}

/// No engine has it, and no registry is asked.
const NOWHERE: &str = "clawbox-nowhere";

async fn names_of_one_image(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.allowed_images.push(NOWHERE.to_owned()))?;
    let digest = "0123456789abcdef".repeat(4);
    for image in [
        NOWHERE.to_owned(),
        format!("{NOWHERE}:latest"),
        format!("library/{NOWHERE}"),
        format!("docker.io/{NOWHERE}"),
        format!("docker.io/library/{NOWHERE}"),
        format!("index.docker.io/library/{NOWHERE}"),
        format!("{NOWHERE}@sha256:{digest}"),
        format!("{NOWHERE}:latest@sha256:{digest}"),
    ] {
        let spawned = rig
            .backend
            .spawn(request(&SLEEPER).with_image(&image))
            .await;
        let error = refused("an image that is nowhere", spawned)?;
        let canonical = format!("docker.io/library/{NOWHERE}");
        let text = error.to_string();
        ensure_matches!(error, ContainerError::ImageNotFound { .. }, image);
        ensure!(
            text.contains(&canonical),
            "{canonical} is not named: {text}"
        );
    }
    Ok(())
}

async fn names_alike(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.allowed_images.push(NOWHERE.to_owned()))?;
    for image in [
        format!("localhost/{NOWHERE}"),
        format!("localhost:5000/{NOWHERE}"),
        format!("docker.io/other/{NOWHERE}"),
        format!("evil.example/library/{NOWHERE}"),
        format!("{NOWHERE}-too"),
        format!("{NOWHERE}/too"),
    ] {
        let error = refuse(&rig, request(&SLEEPER).with_image(&image)).await?;
        ensure_matches!(error, ContainerError::ImageNotAllowed { .. }, image);
    }
    Ok(())
}

async fn long_task(context: &Context) -> Checked {
    let mut request = request(&SLEEPER);
    request.task = "t".repeat(8 << 20);
    refuse_for(&context.rig()?, request, "task").await
}

async fn wasm_only(context: &Context) -> Checked {
    let request = request(&SLEEPER).with_policy(SandboxPolicy::WasmOnly);
    refuse_for(&context.rig()?, request, "policy").await
}

async fn reserved_environment(context: &Context) -> Checked {
    let rig = context.rig()?;
    for key in [
        "HTTP_PROXY",
        "https_proxy",
        "http_Proxy",
        "ALL_PROXY",
        "CLAWBOX_PROXY_SOCKET",
        "CLAWBOX_PROXY_TOKEN",
        "Clawbox_Proxy_Token",
        "CLAWBOX_CONTAINER_ID",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "BASH_ENV",
        "ENV",
        "PYTHONSTARTUP",
        "NODE_OPTIONS",
    ] {
        let request = request(&SLEEPER).with_env(key, "x");
        refuse_for(&rig, request, &format!("env.{key}")).await?;
    }
    Ok(())
}

async fn impossible_environment(context: &Context) -> Checked {
    let rig = context.rig()?;
    for key in ["", " ", "A=B", "A\0", "A\nB", &"K".repeat(5000)] {
        let found = violations(&rig, request(&SLEEPER).with_env(key, "hush")).await?;
        ensure!(
            !found.is_empty() && found.iter().all(|v| v.field.starts_with("env")),
            "{found:?}"
        );
    }
    for value in ["hush\0", &"hush".repeat(1 << 18)] {
        let found = violations(&rig, request(&SLEEPER).with_env("KEY", value)).await?;
        ensure!(
            !format!("{found:?}").contains("hush"),
            "the value is repeated: {found:?}"
        );
    }
    let mut crowded = request(&SLEEPER);
    crowded.env = (0..10_000)
        .map(|n| (format!("K{n}"), String::new()))
        .collect();
    refuse_for(&rig, crowded, "env").await
}

async fn impossible_commands(context: &Context) -> Checked {
    let rig = context.rig()?;
    let long = "x".repeat(3 << 20);
    for argv in [
        vec![],
        vec![""],
        vec!["a\0b"],
        vec!["probe", "a\0"],
        vec!["probe", &long],
    ] {
        refuse_for(&rig, request(&SLEEPER).with_command(argv), "command").await?;
    }
    refuse_for(&rig, request(&SLEEPER).with_args(["x"]), "args").await
}

async fn impossible_limits(context: &Context) -> Checked {
    let rig = context.rig()?;
    type Change = fn(&mut clawbox_types::ResourceLimits);
    let changes: [(&str, Change); 10] = [
        ("memory_mb", |l| l.memory_mb = 0),
        ("memory_mb", |l| l.memory_mb = 5),
        ("timeout_ms", |l| l.timeout_ms = 0),
        ("timeout_ms", |l| l.timeout_ms = 1),
        ("cpu_shares", |l| l.cpu_shares = 0),
        ("cpu_shares", |l| l.cpu_shares = 1),
        ("cpu_millis", |l| l.cpu_millis = Some(0)),
        ("pids", |l| l.pids = Some(0)),
        ("pids", |l| l.pids = Some(1)),
        ("max_output_bytes", |l| l.max_output_bytes = u64::MAX),
    ];
    for (field, change) in changes {
        let mut limits = limits();
        change(&mut limits);
        let found = violations(&rig, request_within(&SLEEPER, limits)).await?;
        let field = format!("capabilities.resources.{field}");
        ensure!(
            found.iter().all(|v| v.field == field) && !found.is_empty(),
            "{field}: {found:?}"
        );
    }
    Ok(())
}

async fn limits_above_the_operators(context: &Context) -> Checked {
    let rig = context.rig_with(|Setup { security, .. }| {
        security.max_memory_mb = 64;
        security.pids = 32;
        security.cpu_millis = 500;
    })?;
    let mut above = limits().with_pids(33).with_cpu_millis(501);
    above.memory_mb = 65;
    let error = refuse(&rig, request_within(&SLEEPER, above)).await?;
    ensure_matches!(error, ContainerError::PolicyDenied { violations } if violations.len() == 3, "three above");
    let just = limits().with_pids(32).with_cpu_millis(500);
    rig.spawn(request_within(&SLEEPER, just)).await.map(drop)
}

async fn working_directories(context: &Context) -> Checked {
    let rig = context.rig()?;
    for dir in [
        "",
        "tmp",
        "/proc/self/fd/7",
        "/./proc",
        "/sys",
        "/dev/fd/9",
        "/tmp/../proc",
        "/a\0",
    ] {
        refuse_for(&rig, request(&SLEEPER).with_working_dir(dir), "working_dir").await?;
    }
    Ok(())
}

async fn proxy_paths(context: &Context) -> Checked {
    let rig = context.rig()?;
    for path in [
        "",
        "proxy.sock",
        "relative/proxy.sock",
        "/proxy.sock",
        "/run/docker.sock",
        "/tmp/../run/proxy.sock",
        "/tmp/x\n/proxy.sock",
    ] {
        refuse_for(
            &rig,
            request(&SLEEPER).with_proxy_socket(path),
            "proxy_socket",
        )
        .await?;
    }
    let dir = context.dir()?;
    let socket = dir.join("d/proxy.sock");
    let missing = refuse(&rig, request(&SLEEPER).with_proxy_socket(&socket)).await?;
    ensure_matches!(missing, ContainerError::Io { .. }, "a missing directory");
    ensure!(!dir.join("d").exists(), "the missing directory was made");
    std::fs::create_dir(dir.join("d"))?;
    std::fs::write(&socket, "")?;
    refuse_for(
        &rig,
        request(&SLEEPER).with_proxy_socket(&socket),
        "proxy_socket",
    )
    .await
}

async fn configurations(context: &Context) -> Checked {
    for user in ["", "0", "root", "0:0", "1000:0", "0:1000", "4294967296:0"] {
        let mut setup = context.setup();
        let security = &mut setup.security;
        security.user = user.to_owned();
        security.pids = 0;
        security.max_memory_mb = 0;
        security.tmpfs = ["/tmp:exec", "/", "/proc", "/run/clawbox"]
            .map(str::to_owned)
            .to_vec();
        let error = refused("the manager", context.manager(setup).map(drop))?;
        ensure_matches!(error, ContainerError::PolicyDenied { violations } if violations.len() == 7, user);
    }
    Ok(())
}
