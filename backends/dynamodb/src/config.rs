use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use token_storage_aws::{Place, Service};
use token_storage_core::{
    Error, ErrorKind, Operation, Result,
    backend::{Clock, SystemClock},
};

use crate::{
    DynamoDbStorage,
    inner::{Inner, Options},
    lease::Observations,
};

const LEASE_TTL: Duration = Duration::from_secs(30);
/// Shorter ones would be renewed more often than the service should be asked.
const SHORTEST_LEASE_TTL: Duration = Duration::from_millis(100);
const CONTENTION: Duration = Duration::from_secs(10);

/// Settings of a [`DynamoDbStorage`]; from [`DynamoDbStorage::builder`].
///
/// Region, profile and endpoint that are not set come from AWS's standard places, and so do the credentials.
#[derive(Clone, Debug)]
#[must_use]
pub struct DynamoDbBuilder {
    table: String,
    service: Service,
    options: Options,
    clock: Option<Arc<dyn Clock>>,
}

impl DynamoDbBuilder {
    pub(crate) fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            service: Service::default(),
            options: Options {
                lease_ttl: LEASE_TTL,
                contention: CONTENTION,
                clean_up_after: None,
            },
            clock: None,
        }
    }

    /// The AWS region, for example `eu-central-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.service.region = Some(region.into());
        self
    }

    /// Another service than AWS's own of that region: an emulator, a VPC endpoint. `http://` or `https://`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.service.endpoint = Some(endpoint.into());
        self
    }

    /// The profile in AWS's shared configuration files. Its credentials are used even if there are others in the
    /// environment.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.service.profile = Some(profile.into());
        self
    }

    /// The time to live of refresh leases; 30 s unless set, 100 ms at least. If a holder dies, others wait this long.
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.options.lease_ttl = ttl.max(SHORTEST_LEASE_TTL);
        self
    }

    /// How long a write goes on trying while others keep changing its record, before it is
    /// [`Busy`](ErrorKind::Busy); 10 s unless set. Requests have time-outs of their own.
    pub fn contention_timeout(mut self, timeout: Duration) -> Self {
        self.options.contention = timeout;
        self
    }

    /// Lets DynamoDB remove items that were not written for this long, if the table's time to live is enabled on the
    /// attribute `token-storage.clean-up` (see [`TableOptions`](crate::TableOptions)). It is for cleaning up what was
    /// abandoned, and no expiry: such items stay readable until DynamoDB gets to them, which may take days. Off unless
    /// set; make it far longer than refresh tokens live.
    pub fn clean_up_after(mut self, unwritten: Duration) -> Self {
        self.options.clean_up_after = Some(unwritten);
        self
    }

    /// Replaces the clocks that leases are measured by, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A storage over a client that is ready; region, endpoint and profile of the builder do not count.
    pub fn with_client(self, client: Client) -> DynamoDbStorage {
        let region = client.config().region().map(ToString::to_string);
        DynamoDbStorage::new(Inner {
            client,
            place: Place {
                what: format!("DynamoDB table {}", self.table),
                endpoint: self.service.endpoint,
                region,
            },
            table: self.table,
            options: self.options,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::default())),
            observations: Observations::default(),
            no_transactions: Default::default(),
        })
    }

    /// Finds region and credentials in AWS's standard places and makes the client. No request is sent to the table.
    ///
    /// # Errors
    /// - [`Misconfigured`](ErrorKind::Misconfigured): no such table name or endpoint, or no region is known.
    pub async fn open(self) -> Result<DynamoDbStorage> {
        check_table(&self.table)?;
        let client = Client::new(&self.service.load().await?);
        Ok(self.with_client(client))
    }
}

/// Names have 3 to 255 letters, digits and `_.-`; an ARN is left to the service to judge.
pub(crate) fn check_table(table: &str) -> Result<()> {
    let plain = table.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if table.starts_with("arn:") || (plain && (3..=255).contains(&table.len())) {
        return Ok(());
    }
    Err(misconfigured(
        "a DynamoDB table name has 3 to 255 letters, digits, `_`, `.` and `-`",
    ))
}

fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names() {
        for good in ["abc", "a.b_c-D9", "arn:aws:dynamodb:eu-central-1:123456789012:table/x"] {
            assert!(check_table(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "a b c", "a/b/c", &"x".repeat(256)] {
            assert!(check_table(bad).is_err(), "{bad}");
        }
    }
}
