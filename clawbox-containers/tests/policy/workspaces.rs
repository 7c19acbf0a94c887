//! Workspaces: below the operator's directories, and beside nothing else.

use super::*;
use clawbox_containers::{InitProgram, aspects::Bind};

fn config() -> ContainerSecurityConfig {
    ContainerSecurityConfig::new().with_workspace_roots(["/srv/work", "/home/a/b"])
}

fn with(workspace: Workspace) -> ContainerSpawnRequest {
    request().with_workspace(workspace)
}

fn check_refused(
    config: &ContainerSecurityConfig,
    workspace: Workspace,
    image: &ImageFacts,
) -> String {
    let outcome = plan_with(config, &with(workspace), image);
    let Err(ContainerError::PolicyDenied { violations }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations[0].field.clone()
}

#[test]
fn only_what_is_below_a_root_is_bound() {
    for source in ["/srv/work", "/srv/work/x/y", "/home/a/b/c"] {
        let plan = plan_with(&config(), &with(Workspace::new(source)), &image()).unwrap();
        let bind = Bind {
            source: source.into(),
            target: "/workspace".to_owned(),
            read_only: false,
            noexec: false,
        };
        assert_eq!(plan.spec().mounts.0, [bind].into(), "{source}");
    }
    for source in ["/srv", "/srv/workshop", "/srv/wor", "/home/a", "/etc"] {
        let field = check_refused(&config(), Workspace::new(source), &image());
        assert_eq!(field, "workspaces", "{source}");
    }
    let none = ContainerSecurityConfig::new();
    check_refused(&none, Workspace::new("/srv/work"), &image());
}

#[test]
fn what_the_request_and_the_operator_say_of_it_is_planned() {
    let mut config = config();
    config.workspace_noexec = true;
    let workspace = Workspace::new("/srv/work").with_target("/in").read_only();
    let plan = plan_with(&config, &with(workspace), &image()).unwrap();
    let bind = plan.spec().mounts.0.first().unwrap();
    assert_eq!(
        (&*bind.target, bind.read_only, bind.noexec),
        ("/in", true, true)
    );
}

#[test]
fn scratch_space_and_volumes_are_beside_it() {
    let at = |target: &str| Workspace::new("/srv/work").with_target(target);
    for target in ["/tmp", "/tmp/x"] {
        assert_eq!(check_refused(&config(), at(target), &image()), "workspaces");
    }
    let volume = |path: &str| ImageFacts {
        volumes: vec![path.to_owned()],
        ..image()
    };
    for path in ["/workspace/data", "/workspace/data/"] {
        let field = check_refused(&config(), at("/workspace"), &volume(path));
        assert_eq!(field, "image.volumes");
    }
    assert_eq!(
        check_refused(&config(), at("/vol/x"), &volume("/vol")),
        "image.volumes"
    );
    for path in ["/workspace", "/workspace/"] {
        let plan = plan_with(&config(), &with(at("/workspace")), &volume(path)).unwrap();
        assert!(!plan.spec().tmpfs.0.contains_key("/workspace"), "{path}");
    }
    let plan = plan_with(&config(), &with(at("/workspace")), &volume("/work")).unwrap();
    assert!(plan.spec().tmpfs.0.contains_key("/work"));
}

#[test]
fn nobody_could_tell_with_the_engines_own_init() {
    let config = config().with_init(InitProgram::Engine);
    check_refused(&config, Workspace::new("/srv/work"), &image());
}

#[test]
fn a_root_is_a_canonical_path() {
    for root in ["", "/", "srv", "/srv/", "/srv/../etc"] {
        let config = ContainerSecurityConfig::new().with_workspace_roots([root]);
        let refused = refused(SecurityPolicy::new(&config));
        assert_eq!(refused, ["security.workspace_roots"], "{root:?}");
    }
}
