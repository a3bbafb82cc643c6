//! `census`.

use crate::scene::Scene;

#[tokio::test]
async fn a_census_finds_what_nobody_declared() {
    let Some(scene) = Scene::new().await else { return };
    scene.sql("CREATE TABLE copies AS SELECT id, envelope AS copy FROM credentials LIMIT 5").await;
    let found = scene.run("", "census credentials --find").await;
    assert_eq!((found.code, found.err.as_str()), (1, ""), "{found:?}");
    assert!(found.out.contains("public.credentials:envelope: 100 rows, 0 of them null, 0 no envelopes"), "{found:?}");
    assert!(found.out.contains("  public.copies:copy: 5 rows"), "{found:?}");
    scene.run("", "census credentials --find --waive copies:copy").await.says("could not be read: 0");
    // Nothing names this key, but a column is not declared.
    let asked = scene.run("", "census credentials --retire x --json").await;
    assert_eq!(asked.code, 1, "{asked:?}");
    let report = asked.one();
    assert_eq!(
        (&report["verdict"], &report["undeclared"][0]["place"]),
        (&"undeclared".into(), &"public.copies:copy".into())
    );
    scene.run("", "census credentials --retire x --waive copies:copy").await.says("no row that was scanned names x");
    let named = scene.run("", "census credentials --retire a --waive copies:copy").await;
    assert_eq!(named.code, 1, "{named:?}");
    assert!(named.out.contains("to retire a: no: 100 rows name a, 100 of them no other key"), "{named:?}");

    // A job that wraps for the key.
    scene.run(&scene.both(), "plan rotate credentials --confirm-primary b").await.says("job 1");
    let asked = scene.run("", "census credentials --retire b --waive copies:copy").await;
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(asked.out.contains("jobs that are not finished wrap for b: [1]"), "{asked:?}");

    scene.run("", "census credentials --find --retire a").await.fails(2, "cannot be used with");
    scene.run("", "census credentials --destroy a").await.fails(2, "--retention");
    scene.run("", "census credentials --destroy a --retention 90").await.fails(2, "expected a number and one of");
}

#[tokio::test]
async fn a_census_finds_rows_that_the_keyring_does_not_open() {
    let Some(scene) = Scene::new().await else { return };
    let index = scene.run("", "census credentials --index").await;
    index.says("CREATE INDEX CONCURRENTLY ON \"public\".\"credentials\"");
    scene.sql(&index.out).await;
    assert!(scene.run("", "census credentials --index --json").await.one()["index"].is_string());
    scene.run(&scene.both(), "census credentials --unopenable").await.says("0 kinds of rows");
    let none = scene.run(&scene.new_alone(), "census credentials --unopenable --json").await;
    assert_eq!(none.code, 1, "{none:?}");
    let found = none.one();
    assert_eq!((&found["unopenable"][0]["why"], found["unopenable"].as_array().unwrap().len()), (&"no_key".into(), 1));
    scene.sql("UPDATE credentials SET envelope = 'damaged' WHERE id = 1").await;
    let both = scene.run(&scene.both(), "census credentials --unopenable").await;
    assert_eq!(both.code, 1, "{both:?}");
    assert!(both.out.contains("not_envelopes"), "{both:?}");
    scene.run("", "census credentials --unopenable").await.fails(3, "SEALWAX_KEYS is not set");
}
