use sealwax::Keyring;
use sqlx::PgPool;

/// Posts which keyring text this process has. Call it before you serve, after a reload, and once a minute.
pub async fn report(db: &PgPool, process: &str, ring: &Keyring) -> sqlx::Result<()> {
    let sql = "INSERT INTO keyring_reports (process, fingerprint) VALUES ($1, $2)
        ON CONFLICT (process) DO UPDATE SET fingerprint = excluded.fingerprint, at = now()";
    let report = sqlx::query(sql).bind(process).bind(&ring.fingerprint()[..]);
    report.execute(db).await.map(drop)
}

/// Returns whether at least `processes` reported lately, and all of them have `running` or `next`.
pub async fn is_ready(db: &PgPool, running: &Keyring, next: &Keyring, processes: i64) -> sqlx::Result<bool> {
    let sql = "SELECT count(*) FILTER (WHERE fingerprint IN ($1, $2)), count(*)
        FROM keyring_reports WHERE at > now() - interval '3 minutes'";
    let count = sqlx::query_as(sql).bind(running.fingerprint().to_vec()).bind(next.fingerprint().to_vec());
    let (ready, all): (i64, i64) = count.fetch_one(db).await?;
    Ok(ready == all && ready >= processes)
}
