//! The jobs that open rows, and imports.

use sealwax::triplet::{Encoding, IvLen, TripletKey};
use sealwax::{EncryptionContext, Envelope, Keyring};

use crate::scene::{FOREIGN, PROGRAM, Scene};

#[tokio::test]
async fn an_audit_opens_every_row_with_the_context_of_its_columns() {
    let Some(scene) = Scene::new().await else { return };
    let old = &scene.old();
    scene.run(old, "plan audit credentials --context tenant=t{tenant}").await.says("job 1: audit");
    scene.run(old, "work").await.says("100 needed no change, 0 failed");
    scene.sql("UPDATE credentials SET tenant = 9 WHERE id IN (3, 4)").await;
    scene.run(old, "plan audit credentials --context tenant=t{tenant}").await.says("job 2: audit");
    let audited = scene.run(old, "work").await;
    assert_eq!(audited.code, 1, "{audited:?}");
    assert!(audited.out.contains("  2 rows: context_mismatch (") && audited.out.contains(": 3; 4"), "{audited:?}");
    // No row has an empty context.
    scene.run(old, "plan audit credentials --empty-context").await.says("job 3");
    let audited = scene.run(old, "work").await;
    assert_eq!(audited.code, 1, "{audited:?}");
    assert!(audited.out.contains("100 failed"), "{audited:?}");

    scene.run(old, "plan audit credentials").await.fails(2, "<--context <NAME=TEMPLATE>|--empty-context>");
    scene.run(old, "plan audit credentials --context tenant=t --empty-context").await.fails(2, "--empty-context");
    scene.run(old, "plan audit credentials --context tenant").await.fails(2, "expected NAME=TEMPLATE");
    scene.run(old, "plan audit credentials --context tenant={tenant").await.fails(2, "--context: ");
    scene.run(old, "plan audit credentials --context tenant={nothing}").await.fails(4, "no column nothing");
}

#[tokio::test]
async fn rows_of_a_leaked_key_are_sealed_again() {
    let Some(scene) = Scene::new().await else { return };
    let (both, plan) = (&scene.both(), "plan reseal credentials --confirm-primary b --leaked");
    scene.run(both, &format!("{plan} b --context tenant=t{{tenant}}")).await.fails(11, "key b must be retired");
    scene.run(both, &format!("{plan} a --context tenant=t{{tenant}}")).await.says("job 1: reseal");
    scene.run(both, "work --workers 2").await.says("100 written");
    let services = scene.new_alone().replace("disabled", "leaked");
    scene.run(&services, "census credentials --unopenable").await.says("0 kinds of rows");
    scene.run(&services, "plan audit credentials --context tenant=t{tenant}").await.says("job 2");
    scene.run(&services, "work").await.says("0 failed");
    // A context that no row has stops the job.
    let back = services.replace("primary b", "retired b").replace("leaked a", "disabled a");
    let third = format!("{}; {back}", scene.old().replace("primary a", "primary c"));
    let plan = "plan reseal credentials --confirm-primary c --leaked b --empty-context";
    scene.run(&third, plan).await.says("job 3");
    let stopped = scene.run(&third, "work --workers 2").await;
    assert_eq!(stopped.code, 5, "{stopped:?}");
    assert!(stopped.err.contains("no row of a page succeeds"), "{stopped:?}");
}

#[tokio::test]
async fn an_import_takes_a_declaration_and_the_key_of_the_rows() {
    let Some(scene) = Scene::new().await else { return };
    scene.sql("CREATE TABLE keys (id bigint PRIMARY KEY, value text, sealed bytea)").await;
    let foreign = TripletKey::from_base64(FOREIGN).unwrap();
    for id in 1..=20_i64 {
        let credential = if id == 7 { "sk-...4f2a".to_owned() } else { format!("sk-proj-4Jq8Zr2Lw{id}") };
        let row = foreign.encrypt(&credential.into(), IvLen::Twelve).unwrap();
        let value = row.to_columns(Encoding::HexLower).join(":");
        let insert = sqlx::query("INSERT INTO keys VALUES ($1, $2)").bind(id).bind(value);
        insert.execute(&scene.db).await.unwrap();
    }
    let both = &scene.both();
    let declaration = scene.file("rows.txt", "cell value = {iv12:hex}:{tag:hex}:{ct:hex}\nkey as base64");
    let plan = |declaration: &str| {
        format!("plan import keys:sealed --confirm-primary b --declaration {declaration} --context row=n{{id}}")
    };
    let malformed = scene.file("malformed.txt", "cell value = swk1_");
    scene.run(both, &plan(&malformed)).await.fails(3, "the declaration: ");
    scene.run(both, &plan("nowhere")).await.fails(7, "the file of --declaration: ");
    scene.run(both, &plan(&declaration)).await.says("job 1: import");
    scene.run(both, "work").await.fails(3, "SEALWAX_IMPORT_KEY is not set");
    let work = |key: &str| {
        let mut command = scene.command(PROGRAM, both);
        command.args(["work", "--workers", "2"]).env("SEALWAX_IMPORT_KEY", key);
        scene.spawn(command).end()
    };
    work("AAEC").await.fails(3, "SEALWAX_IMPORT_KEY: ");
    let imported = work(FOREIGN).await;
    assert_eq!(imported.code, 14, "{imported:?}");
    assert!(imported.out.contains("19 written") && imported.out.contains("1 rows: suspicious ("), "{imported:?}");
    scene.run(both, &format!("{} --take-suspicious", plan(&declaration))).await.says("job 2");
    assert_eq!(work(FOREIGN).await.code, 0);

    let ring: Keyring = scene.new_alone().parse().unwrap();
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT id, sealed FROM keys").fetch_all(&scene.db).await.unwrap();
    assert_eq!(rows.len(), 20);
    for (id, sealed) in rows {
        let context = EncryptionContext::new([("row", format!("n{id}"))]).unwrap();
        let opened = ring.open(&Envelope::try_from(sealed).unwrap(), &context).unwrap();
        assert_eq!(opened.expose_str().unwrap().ends_with(&id.to_string()), id != 7, "row {id}");
    }
}
