//! The table of well-known services.

use std::collections::BTreeSet;

use sealwax::EncryptionContext;
use sealwax_credentials::PROVIDERS;

use crate::{KEY, try_bound};

#[test]
fn each_host_can_be_sealed_and_sent_to() {
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for provider in &PROVIDERS {
        EncryptionContext::empty().with_hosts(&[provider.host]).unwrap();
        let secret = try_bound(KEY, &[provider.host]).unwrap();
        let uri = format!("https://{}/v1", provider.host);
        let mut request = http::Request::get(uri).body(()).unwrap();
        secret.authorize(&mut request, &provider.header).unwrap();
        let page: http::Uri = provider.page.parse().unwrap();
        assert_eq!(page.scheme_str(), Some("https"), "{}", provider.name);
        assert!(page.path().len() > 1, "{}: a page, not a site", provider.name);
        assert!(names.insert(provider.name.to_lowercase()));
        assert!(hosts.insert(provider.host), "{}", provider.host);
    }
    assert_eq!(names.len(), 14);
    // In alphabetical order.
    assert!(PROVIDERS.iter().map(|provider| provider.name.to_lowercase()).eq(names));
}

#[test]
fn the_readme_has_every_service() {
    let readme = include_str!("../../README.md");
    for provider in &PROVIDERS {
        let (name, prefix) = (provider.header.name(), provider.header.prefix());
        let row = format!("| {} | `{}` | `{name}: {prefix}…` |", provider.name, provider.host);
        assert!(readme.contains(&row), "{row}");
    }
    let rows = readme.lines().filter(|line| line.starts_with("| ") && line.contains("…` |"));
    assert_eq!(rows.count(), PROVIDERS.len());
}
