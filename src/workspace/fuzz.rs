//! Fuzz target: the configuration of git, which a program in a box may have written.

use super::{commands, config};

/// What is read, written again as git would write it, reads the same.
pub(crate) fn git_config(text: &[u8]) {
    let settings = config::parse_with_headers(text);
    let mut again = Vec::new();
    for (header, (key, value)) in &settings {
        let (_, name) = key.split_once('.').unwrap_or_else(|| panic!("{key:?} has no section"));
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // A NUL byte in the header cuts the name short, and whatever stands below is one setting.
        assert!(is_name || header.contains(&0), "{key:?} is no key");
        let name = if is_name { name } else { "x" };
        assert!(!key.bytes().any(|byte| byte.is_ascii_uppercase()), "{key:?} is not in lower case");
        if let Some(words) = commands::command_words(key, value) {
            assert!(words.iter().all(|word| !word.text.is_empty()), "{key:?} {:?}", value.escape_ascii().to_string());
        }
        let _any_answer_will_do = (config::is_true(value), commands::maker(key, value), commands::is_path(value));
        config::write_setting(&mut again, header, name, value);
    }
    let read: usize = settings.iter().map(|(_, (_, value))| value.len()).sum();
    // "true" is what a key alone means.
    assert!(read <= text.len() + 4 * settings.len(), "more is read than there is");
    assert!(config::parse_with_headers(&again) == settings, "{:?}", again.escape_ascii().to_string());
}
