//! Longer documentation, one page per module.
//!
//! The pages specify the format, state what the crate promises, and explain how to operate and extend it. They are
//! files in the repository too, in `src/docs/` and at the root.

// In the repository, a link between pages leads to a file, by a definition at the end of the page. In the documentation
// it leads to the module with that page, because the first definition of a link wins.
macro_rules! pages {
    ($($(#[$attribute:meta])* $name:ident: $file:literal $(and $more:literal)?;)*) => {$(
        $(#[$attribute])*
        #[doc = "[services]: crate::docs::services"]
        #[doc = "[recipes]: crate::docs::recipes"]
        #[doc = "[operations]: crate::docs::operations"]
        #[doc = "[providers]: crate::docs::providers"]
        #[doc = "[legacy]: crate::docs::legacy"]
        #[doc = "[cookbook]: crate::docs::cookbook"]
        #[doc = "[threat model]: crate::docs::threat_model"]
        #[doc = "[assurance]: crate::docs::assurance"]
        #[doc = "[performance]: crate::docs::performance"]
        #[doc = "[fips]: crate::docs::fips"]
        #[doc = "[format]: crate::docs::format"]
        #[doc = "[decisions]: crate::docs::decisions"]
        #[doc = "[architecture]: crate::docs::architecture"]
        #[doc = "[compare]: crate::docs::compare"]
        #[doc = "[SECURITY.md]: crate::docs::security"]
        #[doc = ""]
        #[doc = include_str!($file)]
        $(#[doc = include_str!($more)])?
        pub mod $name {}
    )*};
}

pages! {
    // The code of these two is compiled and run by `assurance/services`, which has the crates that it needs.
    #[cfg(not(doctest))]
    services: "docs/services.md";
    #[cfg(not(doctest))]
    recipes: "docs/recipes.md";
    operations: "docs/operations.md";
    providers: "docs/providers.md";
    legacy: "docs/legacy.md";
    cookbook: "docs/cookbook.md";
    threat_model: "docs/threat_model.md";
    assurance: "docs/assurance.md";
    performance: "docs/performance.md" and "docs/measurements.md";
    fips: "docs/fips.md";
    format: "docs/format.md";
    decisions: "docs/decisions.md";
    architecture: "docs/architecture.md";
    compare: "../COMPARE.md";
    contributing: "../CONTRIBUTING.md";
    security: "../SECURITY.md";
    changelog: "../CHANGELOG.md";
}
