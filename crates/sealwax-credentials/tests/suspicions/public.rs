//! Names and phrases, which programs and people read, and the table of them in the README.

use std::collections::BTreeSet;

use sealwax_credentials::Suspicion;

#[test]
fn names_are_words_for_programs() {
    let names: BTreeSet<_> = Suspicion::ALL.iter().map(|suspicion| suspicion.name()).collect();
    assert_eq!(names.len(), Suspicion::ALL.len());
    for (name, suspicion) in Suspicion::ALL.iter().map(|suspicion| (suspicion.name(), suspicion)) {
        // The name of the variant in snake case.
        let variant = format!("{suspicion:?}");
        let is_start = |(at, c): (usize, char)| at > 0 && c.is_ascii_uppercase();
        let snake: String = variant
            .char_indices()
            .map(|(at, c)| {
                let mark = if is_start((at, c)) { "_" } else { "" };
                format!("{mark}{}", c.to_ascii_lowercase())
            })
            .collect();
        assert_eq!(name, snake);
    }
}

/// A phrase continues "does not look like a credential: ", and several are joined with commas.
#[test]
fn phrases_continue_a_sentence() {
    let phrases: BTreeSet<_> = Suspicion::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(phrases.len(), Suspicion::ALL.len());
    for phrase in phrases {
        assert!((4..=70).contains(&phrase.len()), "{phrase}");
        assert!(!phrase.ends_with('.') && !phrase.contains([',', ';', ':', '\n']), "{phrase}");
        let starts_low = phrase.starts_with(|c: char| c.is_ascii_lowercase() || c == '\\');
        assert!(starts_low || phrase.starts_with("PEM"), "{phrase}");
        assert_eq!(format!("{:>80}", Suspicion::Empty).len(), 80, "padding works");
    }
}

#[test]
fn the_readme_has_every_kind_and_no_other() {
    let readme = include_str!("../../README.md");
    let table = readme.lines().skip_while(|line| *line != "| Kind | `name()` | `Display` |");
    let table = table.skip(2).take_while(|line| line.starts_with("| "));
    let expected: Vec<_> = Suspicion::ALL
        .iter()
        .map(|suspicion| format!("| `{suspicion:?}` | `{}` | {suspicion} |", suspicion.name()))
        .collect();
    assert_eq!(table.collect::<Vec<_>>(), expected);
    assert!(expected.len() > 20);
}
