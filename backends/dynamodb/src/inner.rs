//! The requests for single items, and what their answers mean.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure::AllOld},
};
use token_storage_aws::{Place, quiet};
use token_storage_core::{Error, ErrorKind, Result, TokenKey, WriteMark, backend::Clock};

use crate::{
    attempts::Attempts,
    condition::Condition,
    error::from_sdk,
    item::{Item, KEY, MARK},
    key::item_key,
    lease::Observations,
};

/// How long resolving a lost answer may take on top of the operation's own time-outs.
const RESOLVE: Duration = Duration::from_secs(5);

/// What the clones of a handle share.
pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) place: Place,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observations: Observations,
    /// Whether the service was found to have no transactions.
    pub(crate) no_transactions: AtomicBool,
}

/// What the builder sets beside the client.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) lease_ttl: Duration,
    pub(crate) contention: Duration,
    pub(crate) clean_up_after: Option<Duration>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The answer to a conditional write.
pub(crate) enum Answer<T = ()> {
    /// It happened.
    Applied(T),
    /// The condition did not hold; this is the item that is there.
    Refused(Option<Item>),
    /// A transaction is working on the item; try again.
    Contended,
    /// Anything else.
    Failed(Error),
}

impl Inner {
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// One consistent read.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Item>> {
        let request = self
            .client
            .get_item()
            .table_name(self.table())
            .key(KEY, string(key))
            .consistent_read(true);
        match quiet(request.send()).await {
            Ok(output) => Ok(output.item.map(Item::new)),
            Err(error) => Err(from_sdk(&error, &self.place)),
        }
    }

    pub(crate) async fn send_put(
        &self,
        item: HashMap<String, AttributeValue>,
        condition: Condition,
        attempts: &Attempts,
    ) -> Answer {
        let key = item
            .get(KEY)
            .and_then(|key| key.as_s().ok())
            .cloned()
            .unwrap_or_default();
        let request = self
            .client
            .put_item()
            .table_name(self.table())
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(AllOld);
        let result = quiet(request.customize().interceptor(attempts.clone()).send()).await;
        self.answer(result.map(drop), &key).await
    }

    /// A write to the record's own key that is refused in any case: it proves permission and capacity, and no more. Its
    /// condition is that of every other write, with a mark that no record has.
    pub(crate) async fn prove(&self, key: &TokenKey) -> Result<()> {
        let id = item_key(key);
        let item = HashMap::from([(KEY.to_owned(), string(&id))]);
        let condition = Condition {
            expression: "#mark = :mark".to_owned(),
            ..Condition::default()
        };
        let nobody = WriteMark::random()?.to_string();
        let condition = condition.name("#mark", MARK).value(":mark", string(&nobody));
        match self.send_put(item, condition, &Attempts::default()).await {
            Answer::Failed(error) => Err(error),
            Answer::Refused(_) | Answer::Contended | Answer::Applied(()) => Ok(()),
        }
    }

    pub(crate) async fn send_delete(&self, key: &str, condition: Condition, attempts: &Attempts) -> Answer {
        let request = self
            .client
            .delete_item()
            .table_name(self.table())
            .key(KEY, string(key))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(Some(condition.names.clone()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(AllOld);
        let result = quiet(request.customize().interceptor(attempts.clone()).send()).await;
        self.answer(result.map(drop), key).await
    }

    /// Turns the SDK's result into an answer. Where the service does not return the item that refused a write
    /// (dynalite), it is read.
    pub(crate) async fn answer<T, E: RefusedItem>(
        &self,
        result: Result<T, SdkError<E, HttpResponse>>,
        key: &str,
    ) -> Answer<T> {
        let error = match result {
            Ok(output) => return Answer::Applied(output),
            Err(error) => error,
        };
        match error.code() {
            Some("ConditionalCheckFailedException") => {}
            Some("TransactionConflictException") => return Answer::Contended,
            _ => return Answer::Failed(from_sdk(&error, &self.place)),
        }
        if let SdkError::ServiceError(refusal) = error
            && let Some(attributes) = refusal.into_err().refused_item()
        {
            return Answer::Refused(Some(Item::new(attributes)));
        }
        match self.read(key).await {
            Ok(item) => Answer::Refused(item),
            Err(error) => Answer::Failed(error),
        }
    }

    /// What is there now that the answers of a write are lost for good. `Err`: that cannot be found out either.
    pub(crate) async fn look_after(&self, key: &str) -> Result<Option<Item>, ()> {
        let read = tokio::time::timeout(RESOLVE, self.read(key));
        read.await.map_err(drop)?.map_err(drop)
    }

    /// When DynamoDB may clean an item away that is written now.
    pub(crate) fn clean_up_at(&self) -> Option<i64> {
        let at = self.clock.wall().saturating_add(self.options.clean_up_after?);
        i64::try_from(at.as_secs()).ok()
    }
}

/// An error that may hold the item which refused the write.
pub(crate) trait RefusedItem: ProvideErrorMetadata + std::error::Error + 'static {
    fn refused_item(self) -> Option<HashMap<String, AttributeValue>>;
}

macro_rules! refused_item {
    ($error:ident) => {
        impl RefusedItem for $error {
            fn refused_item(self) -> Option<HashMap<String, AttributeValue>> {
                match self {
                    Self::ConditionalCheckFailedException(refusal) => refusal.item,
                    _ => None,
                }
            }
        }
    };
}
refused_item!(PutItemError);
refused_item!(DeleteItemError);
refused_item!(UpdateItemError);

pub(crate) fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A write that may have happened, and nothing tells.
pub(crate) fn unknown_outcome(key: &TokenKey) -> Error {
    let message = "an answer was lost, and the item has been changed since in a way that does not tell whether this \
                   write happened; read it again";
    Error::new(ErrorKind::Unavailable, message)
        .with_key(key)
        .with_unknown_outcome()
}
