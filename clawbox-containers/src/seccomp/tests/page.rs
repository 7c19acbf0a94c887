//! `docs/SECCOMP.md` tells the profiles as they are: its lists are made from the data, and compared with it here.
//! `CLAWBOX_SECCOMP_PAGE=write` writes them anew.

use std::fmt::Write as _;

use super::super::{
    COMPAT, NO_MEMFD, STRICT,
    data::{Action, Condition, Data, Group},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SECCOMP.md");
const BEGIN: &str = "<!-- profiles: made from clawbox-containers/src/seccomp/*.json -->\n";
const END: &str = "<!-- end of profiles -->\n";

#[test]
fn the_page_tells_the_profiles_as_they_are() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has its lists");
    let (told, after) = rest.split_once(END).expect("the lists end");
    let made = lists();
    if std::env::var("CLAWBOX_SECCOMP_PAGE").is_ok_and(|how| how == "write") {
        std::fs::write(PAGE, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert!(
            told == made,
            "docs/SECCOMP.md does not tell the profiles: write it with CLAWBOX_SECCOMP_PAGE=write"
        );
    }
}

#[test]
fn a_list_tells_names_conditions_and_reasons() {
    let data: Data = serde_json::from_str(
        r#"{"name": "x", "groups": [
            {"reason": "One|two.", "action": "allow", "names": ["b", "a"],
             "when": [{"arg": 0, "in": {"A": 1}}, {"arg": 2, "mask": "0xf0", "not_in": {"B": "0x10", "C": 32}}]},
            {"reason": "Three.", "action": {"errno": "ENOSYS"}, "names": ["c"]},
            {"reason": "Four.", "action": "refuse", "names": ["d"]}
        ]}"#,
    )
    .unwrap();
    let told = list(&data);
    for line in [
        "### Let through",
        "| `b` `a` where argument 0 is A (0x1) and argument 2 & 0xf0 is none of B (0x10), C (0x20) | One\\|two. |",
        "### Answered with ENOSYS",
        "| `c` | Three. |",
        "### Refused with EPERM",
        "| `d` | Four. |",
    ] {
        assert!(told.lines().any(|found| found == line), "{line}\n{told}");
    }
}

fn lists() -> String {
    let mut text = String::new();
    for (json, over) in [
        (STRICT, ""),
        (COMPAT, ", over strict"),
        (NO_MEMFD, ", over strict"),
    ] {
        let data: Data = serde_json::from_str(json).unwrap();
        write!(
            text,
            "\n## The profile `{}`{over}\n{}\n",
            data.name,
            list(&data)
        )
        .unwrap();
    }
    text
}

/// The groups by their answers, in the order of the data.
fn list(data: &Data) -> String {
    let mut titles: Vec<String> = Vec::new();
    for group in &data.groups {
        let title = title(group.action);
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let section = |wanted: &String| {
        let groups = data.groups.iter().filter(|g| title(g.action) == *wanted);
        let rows: String = groups.map(row).collect();
        format!("\n### {wanted}\n\n| system calls | why |\n|---|---|\n{rows}")
    };
    titles.iter().map(section).collect()
}

fn title(action: Action) -> String {
    match action {
        Action::Allow => "Let through".to_owned(),
        Action::Refuse => "Refused with EPERM".to_owned(),
        Action::Errno(errno) => format!("Answered with {}", errno.name()),
    }
}

fn row(group: &Group) -> String {
    let names: Vec<String> = group.names.iter().map(|name| format!("`{name}`")).collect();
    let conditions: Vec<String> = group.when.iter().map(condition).collect();
    let mut calls = names.join(" ");
    if !conditions.is_empty() {
        calls = format!("{calls} where {}", conditions.join(" and "));
    }
    format!("| {calls} | {} |\n", group.reason.replace('|', "\\|"))
}

fn condition(condition: &Condition) -> String {
    let mask = match condition.mask.0 {
        u32::MAX => String::new(),
        mask => format!(" & {mask:#x}"),
    };
    let (is, values) = match condition.none_of.is_empty() {
        true if condition.one_of.len() == 1 => ("is", &condition.one_of),
        true => ("is one of", &condition.one_of),
        false => ("is none of", &condition.none_of),
    };
    let values: Vec<String> = values
        .iter()
        .map(|(name, word)| format!("{name} ({:#x})", word.0))
        .collect();
    format!(
        "argument {}{mask} {is} {}",
        condition.arg,
        values.join(", ")
    )
}
