//! A settings file: used where it is named, and refused where it is wrong.

use crate::{
    Case,
    rig::{IMAGE, Rig, end},
};
use std::fs;

pub(crate) const CASES: &[Case] = &[
    ("a_settings_file_is_used_where_it_is_named", used),
    ("a_wrong_settings_file_begins_nothing", wrong),
    (
        "a_settings_file_that_lies_about_is_not_read",
        not_looked_for,
    ),
];

fn file(rig: &Rig, name: &str, text: &str) -> String {
    let path = rig.path(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("text").to_owned()
}

fn used(rig: &Rig) {
    let text = format!(
        "backend = \"mock\"\n[security]\ndefault_image = \"{IMAGE}\"\nmax_memory_mb = 512\n\
         [limits]\nmax_output_bytes = 2\n"
    );
    let file = file(rig, "clawbox.toml", &text);
    assert_eq!(end(rig.bare(&["config", "check", &file])).status, 0);

    let print = ["probe", "print", "--stdout", "hello", "--exit", "3"];
    let ended = end(rig.bare(&[&["--config", &file, "run"][..], &print].concat()));
    assert_eq!(
        (ended.status, &ended.stdout[..]),
        (3, &b"he"[..]),
        "{ended:?}"
    );
    let mut run = rig.bare(&[&["run", "--max-output", "4"][..], &print].concat());
    run.env("CLAWBOX_CONFIG", &file);
    assert_eq!(end(run).stdout, b"hell");

    let ended = end(rig.bare(&["run", "--config", &file, "--memory", "513m", "probe"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("--memory: "), "{ended:?}");
    assert_eq!(end(rig.bare(&["ps", "--config", &file])).status, 0);
}

fn wrong(rig: &Rig) {
    let file = file(rig, "clawbox.toml", "[security]\nalowed_images = []\n");
    for (args, status) in [
        (&["config", "check", &file][..], 1),
        (
            &["run", "--backend", "mock", "--config", &file, "true"],
            125,
        ),
        (&["cleanup", "--backend", "mock", "--config", &file], 125),
    ] {
        let ended = end(rig.bare(args));
        assert_eq!(ended.status, status, "{args:?} {ended:?}");
        for words in [&file, "line 2, column 1", "did you mean `allowed_images`?"] {
            assert!(ended.stderr.contains(words), "{args:?} {ended:?}");
        }
    }
    let ended = end(rig.bare(&["doctor", "--config", "/nowhere/clawbox.toml"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("/nowhere/clawbox.toml"), "{ended:?}");
}

fn not_looked_for(rig: &Rig) {
    file(rig, "clawbox.toml", "no TOML at all");
    let mut run = rig.on_engine("run", &["--image", IMAGE, "probe", "exit", "5"]);
    run.current_dir(rig.path(""));
    assert_eq!(end(run).status, 5);
}
