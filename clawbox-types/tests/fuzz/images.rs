//! References and rules.

use crate::{
    mutate::{damage, damaged},
    named::{Named, NamedByRule},
    parts::{Parts, digest, parts},
};
use clawbox_types::{DEFAULT_ALLOWED_IMAGES, ImageRef, ImageRule};
use proptest::{prelude::*, sample::select};

fn named(image: &ImageRef) -> Named {
    Named {
        registry: image.registry().to_owned(),
        path: image.repository().split('/').map(str::to_owned).collect(),
        tag: image.tag().map(str::to_owned),
        digest: image.digest().map(str::to_owned),
    }
}

/// What every accepted reference must be, whoever wrote it.
fn is_sound(image: &ImageRef) -> Result<(), TestCaseError> {
    let sent = image.to_string();
    // An engine cuts what it is sent in Docker's way, and must come to the same.
    prop_assert_eq!(Named::cut(&sent), named(image), "{}", sent);
    prop_assert!(sent.parse::<ImageRef>().as_ref() == Ok(image), "{sent}");
    prop_assert!(
        sent.len() <= 1024 && sent.bytes().all(|b| b.is_ascii_graphic()),
        "{sent}"
    );
    let (registry, repository) = (image.registry(), image.repository());
    let small = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let registry_is = |b: u8| small(b) || b".-:[]".contains(&b);
    prop_assert!(
        registry.bytes().all(registry_is) && !registry.contains(".."),
        "{registry}"
    );
    for part in repository.split('/') {
        prop_assert!(
            part.bytes().all(|b| small(b) || b"._-".contains(&b)),
            "{repository}"
        );
        prop_assert!(!part.is_empty() && !part.contains(".."), "{repository}");
        prop_assert!(
            part.bytes().next().is_some_and(small) && part.bytes().last().is_some_and(small),
            "{repository}"
        );
    }
    if let Some(digest) = image.digest() {
        let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => 0,
        };
        prop_assert!(
            hex.len() == length && hex.bytes().all(|b| b"0123456789abcdef".contains(&b)),
            "{digest}"
        );
    }
    Ok(())
}

/// A rule as it is put together, so that it has something to do with the reference beside it.
fn rule_near(image: &Parts, kind: usize, keep: usize, other: Option<&str>) -> String {
    let mut near = image.clone();
    near.path.truncate(keep.clamp(1, near.path.len()));
    if let Some(other) = other {
        near.path.push(other.to_owned());
    }
    if kind != 3 {
        near.tag = None;
    }
    near.digest = match kind {
        4 => near
            .digest
            .or_else(|| Some(format!("sha256:{}", "0".repeat(64)))),
        _ => None,
    };
    near.settle();
    let text = near.text();
    match kind {
        0 => text,
        1 => format!("{text}:"),
        2 if keep == 0 && near.host.is_some() => format!("{}/", near.host.unwrap_or_default()),
        2 => format!("{text}/"),
        _ => text,
    }
}

proptest! {
    #[test]
    fn a_reference_is_what_it_was_put_together_from(parts in parts()) {
        let text = parts.text();
        let image: ImageRef = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
        prop_assert_eq!(named(&image), parts.named(), "{}", &text);
        // So the plainer reading may stand in for the truth below.
        prop_assert_eq!(Named::cut(&text), parts.named(), "{}", &text);
        is_sound(&image)?;
    }

    #[test]
    fn a_damaged_reference_is_refused_or_names_what_it_says(parts in parts(), damage in damage()) {
        let text = damaged(&parts.text(), &damage);
        if let Ok(image) = text.parse::<ImageRef>() {
            prop_assert_eq!(named(&image), Named::cut(&text), "{}", &text);
            is_sound(&image)?;
        }
    }

    #[test]
    fn any_text_is_refused_or_names_what_it_says(text in "[a-zA-Z0-9./:@_\\[\\]%-]{0,90}|\\PC{0,40}") {
        if let Ok(image) = text.parse::<ImageRef>() {
            prop_assert_eq!(named(&image), Named::cut(&text), "{}", &text);
            is_sound(&image)?;
        }
    }

    #[test]
    fn another_kind_of_digest_is_refused(
        parts in parts(), digest in digest(), damage in damage(), algorithm in "[a-zA-Z0-9+._-]{0,8}", hex in "[0-9a-fA-Fg]{0,130}"
    ) {
        for digest in [damaged(&digest, &damage), format!("{algorithm}:{hex}")] {
            let text = Parts { digest: Some(digest), ..parts.clone() }.text();
            if let Ok(image) = text.parse::<ImageRef>() {
                is_sound(&image)?;
            }
        }
    }

    /// Both ways: nothing that the rule does not name is allowed, and what it names is.
    #[test]
    fn a_rule_allows_exactly_what_it_names(
        image in parts(), kind in 0..5_usize, keep in 0..4_usize, other in proptest::option::weighted(0.2, select(&["a", "evil"][..])),
        host in proptest::option::weighted(0.2, crate::parts::host()),
    ) {
        let mut source = image.clone();
        source.host = host.unwrap_or(source.host);
        let text = rule_near(&source, kind, keep, other);
        let Ok(rule) = text.parse::<ImageRule>() else {
            return Err(TestCaseError::fail(format!("{text} is a rule")));
        };
        let parsed: ImageRef = image.text().parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
        prop_assert_eq!(rule.allows(&parsed), NamedByRule::cut(&text).names(&image.named()), "{} and {}", &text, &parsed);
    }

    #[test]
    fn whatever_is_damaged_no_image_is_allowed_that_the_rule_does_not_name(
        image in parts(), kind in 0..5_usize, keep in 0..4_usize, in_rule in damage(), in_image in damage(),
        default in proptest::option::weighted(0.3, select(&DEFAULT_ALLOWED_IMAGES[..])),
    ) {
        let rule = match default {
            Some(default) => default.to_owned(),
            None => damaged(&rule_near(&image, kind, keep, None), &in_rule),
        };
        let text = damaged(&image.text(), &in_image);
        if let (Ok(allow), Ok(parsed)) = (rule.parse::<ImageRule>(), text.parse::<ImageRef>()) {
            prop_assert_eq!(allow.allows(&parsed), NamedByRule::cut(&rule).names(&Named::cut(&text)), "{} and {}", &rule, &text);
            prop_assert_eq!(allow.to_string(), rule);
        }
    }
}
