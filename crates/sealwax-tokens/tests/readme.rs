//! The README's figures and names are those of the crate.

const README: &str = include_str!("../README.md");

#[test]
fn the_example_is_as_short_as_the_readme_says() {
    let example = include_str!("../examples/tokens.rs");
    let (_, rest) = example
        .split_once("// What a service adds for its tokens, with rotation: fewer than 50 lines.\n")
        .unwrap();
    let (needed, _) = rest.split_once("// The rest shows it at work.").unwrap();
    let lines = needed.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(README.contains(&format!("take {lines} lines")), "{lines}");
    assert!((25..50).contains(&lines));
}

#[test]
fn the_verifier_is_as_short_as_the_readme_says() {
    for program in [include_str!("../verify.py"), include_str!("../records.py")] {
        let lines = program.lines().count();
        assert!((30..60).contains(&lines) && program.lines().all(|line| line.len() <= 120));
        assert!(README.contains(&format!("in {lines} lines")), "{lines}");
    }
}
