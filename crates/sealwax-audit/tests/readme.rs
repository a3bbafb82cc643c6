//! The README's figures and names are those of the crate.

const README: &str = include_str!("../README.md");

#[test]
fn the_example_is_as_short_as_the_readme_says() {
    let example = include_str!("../examples/audit.rs");
    let (_, rest) = example.split_once("// What a service needs: fewer than 40 lines.\n").unwrap();
    let (needed, _) = rest.split_once("// The rest shows it at work.").unwrap();
    let lines = needed.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(README.contains(&format!("take {lines} lines")), "{lines}");
    assert!((30..40).contains(&lines));
}

#[test]
fn the_verifier_in_python_is_as_short_as_the_readme_says() {
    let programs = [include_str!("../verify.py"), include_str!("../records.py")];
    for lines in programs.map(|program| program.lines().count()) {
        assert!(README.contains(&format!("in {lines} lines")), "{lines}");
        assert!((30..60).contains(&lines), "{lines}");
    }
}
