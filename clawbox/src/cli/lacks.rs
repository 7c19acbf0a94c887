//! What an engine's host cannot enforce, and what would mend it.

use clawbox::{EngineInfo, PolicyItem};

/// The reasons why those of `items` that the host lacks cannot be enforced, with the mend: each once, after all the
/// items that share it.
pub(crate) fn reasons(info: &EngineInfo, items: &[PolicyItem]) -> Vec<String> {
    let mut reasons: Vec<(Vec<String>, &str)> = Vec::new();
    let abilities = info.abilities.iter();
    for ability in abilities.filter(|a| !a.available && items.contains(&a.item)) {
        let item = ability.item.to_string();
        let known = reasons.iter_mut().find(|known| known.1 == ability.reason);
        match known {
            Some((sharing, _)) => sharing.push(item),
            None => reasons.push((vec![item], &ability.reason)),
        }
    }
    reasons
        .into_iter()
        .map(|(items, reason)| format!("{}: {reason}", items.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::types::Ability;

    #[test]
    fn a_reason_that_several_items_share_is_told_once() {
        let mut info = EngineInfo::new("podman", "5.4.2", "unix:///a");
        info.abilities = vec![
            Ability::missing(PolicyItem::Memory, "no memory"),
            Ability::available(PolicyItem::Seccomp),
            Ability::missing(PolicyItem::Pids, "no pids"),
            Ability::missing(PolicyItem::Swap, "no memory"),
        ];
        let all = ["memory, swap: no memory", "pids: no pids"];
        assert_eq!(reasons(&info, PolicyItem::ALL), all);
        let some = [PolicyItem::Swap, PolicyItem::Seccomp, PolicyItem::User];
        assert_eq!(reasons(&info, &some), ["swap: no memory"]);
    }
}
