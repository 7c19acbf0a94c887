//! A rule and a reference, with a NUL between them: what is accepted names what the plainer reading says.

#![no_main]

#[path = "../../clawbox-types/tests/fuzz/named.rs"]
mod named;

use clawbox_types::{ImageRef, ImageRule};
use libfuzzer_sys::fuzz_target;
use named::{Named, NamedByRule};

fuzz_target!(|text: &str| {
    let (rule, text) = text.split_once('\0').unwrap_or((text, text));
    let Ok(image) = text.parse::<ImageRef>() else {
        return;
    };
    let owned = |part: &str| part.to_owned();
    let parsed = Named {
        registry: owned(image.registry()),
        path: image.repository().split('/').map(owned).collect(),
        tag: image.tag().map(owned),
        digest: image.digest().map(owned),
    };
    assert_eq!(parsed, Named::cut(text), "{text:?}");
    let sent = image.to_string();
    assert_eq!(parsed, Named::cut(&sent), "{sent:?}");
    assert!(sent.bytes().all(|b| b.is_ascii_graphic()), "{sent:?}");
    if let Ok(allow) = rule.parse::<ImageRule>() {
        let named = NamedByRule::cut(rule).names(&parsed);
        assert_eq!(allow.allows(&image), named, "{rule:?} and {text:?}");
    }
});
