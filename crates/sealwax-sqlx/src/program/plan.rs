//! `plan`.

use sealwax::Keyring;
use sealwax_sqlx::{Job, Options, RowContext};
use sqlx::PgConnection;

use crate::cli::{Context, Plan};
use crate::exit::{Exit, Failure};
use crate::inputs;

pub(crate) async fn plan(db: &mut PgConnection, ring: &Keyring, plan: &Plan) -> Result<Job, Failure> {
    Ok(match plan {
        Plan::Rotate { place, confirm_primary, prove, options } => {
            let options = Options { prove: *prove, ..options.to_options() };
            let table = place.find(db).await?;
            Job::plan_rotation(db, &table, ring, confirm_primary, &options).await?
        }
        Plan::Audit { place, context, options } => {
            let table = place.find(db).await?;
            Job::plan_audit(db, &table, ring, &row_context(context)?, &options.to_options()).await?
        }
        Plan::Reseal { place, confirm_primary, leaked, context, options } => {
            let (table, context, options) = (place.find(db).await?, row_context(context)?, options.to_options());
            Job::plan_reseal(db, &table, ring, confirm_primary, leaked, &context, &options).await?
        }
        Plan::Import { place, confirm_primary, declaration, take_suspicious, context, options } => {
            let declaration = inputs::declaration(declaration)?;
            let (table, context, options) = (place.find(db).await?, row_context(context)?, options.to_options());
            Job::plan_import(db, &table, ring, confirm_primary, &declaration, &context, *take_suspicious, &options)
                .await?
        }
    })
}

fn row_context(context: &Context) -> Result<RowContext, Failure> {
    let pairs = context.pairs.iter().map(|(name, template)| (name.as_str(), template));
    RowContext::new(pairs).map_err(|error| Failure::new(Exit::Usage, format!("--context: {error}")))
}
