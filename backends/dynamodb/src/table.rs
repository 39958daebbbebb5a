//! Making, describing and deleting the table: for set-up, with permissions that the storage itself never needs.

mod deletion;
mod pauses;

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
        ProvisionedThroughput, ScalarAttributeType, SseSpecification, SseType, TableDescription as Description,
        TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use token_storage_core::{Error, ErrorContext as _, ErrorKind, Operation, Result};

use self::pauses::Pauses;
use crate::{
    DynamoDbStorage,
    actions::CREATE,
    error::from_sdk,
    inner::Inner,
    item::{CLEAN_UP, KEY},
};

/// How a table is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Billing {
    /// By request.
    OnDemand,
    /// By capacity units, reserved; the Globus documentation's example has 5 and 5.
    Provisioned {
        /// Read capacity units.
        read: i64,
        /// Write capacity units.
        write: i64,
    },
}

/// What [`DynamoDbStorage::create_table`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableOptions {
    /// How it is paid for; on demand unless set.
    pub billing: Billing,
    /// Whether to enable DynamoDB's time to live on the attribute `token-storage.clean-up`, for
    /// [`DynamoDbBuilder::clean_up_after`](crate::DynamoDbBuilder::clean_up_after).
    pub clean_up: bool,
    /// Whether to keep continuous backups for point-in-time recovery. Backups hold tokens, too.
    pub point_in_time_recovery: bool,
    /// Whether the table is protected against deletion.
    pub deletion_protection: bool,
    /// A customer managed key to encrypt the table with: its id, ARN or alias. The table is encrypted in any case.
    pub kms_key: Option<String>,
    /// Whether to wait until the table can be used. Needed for `clean_up` and `point_in_time_recovery`, which can only be
    /// set then.
    pub wait: bool,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            billing: Billing::OnDemand,
            clean_up: false,
            point_in_time_recovery: false,
            deletion_protection: false,
            kms_key: None,
            wait: true,
        }
    }
}

/// What [`DynamoDbStorage::describe_table`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDescription {
    /// The table's name.
    pub name: String,
    /// Its ARN, for IAM policies.
    pub arn: Option<String>,
    /// In AWS's words, for example `ACTIVE`.
    pub status: String,
    /// How it is paid for.
    pub billing: Billing,
    /// The attribute that DynamoDB's time to live is enabled on.
    pub time_to_live: Option<String>,
    /// Whether it is protected against deletion.
    pub deletion_protection: bool,
    /// About how many items it has, leases included; AWS counts every six hours.
    pub items: i64,
    /// About how large it is, in bytes.
    pub bytes: i64,
}

impl DynamoDbStorage {
    /// Creates the table, unless it is there. Several creators at once all succeed. `progress` is told the table's
    /// status, in AWS's words, each time it is asked for.
    ///
    /// Needs the permissions `dynamodb:CreateTable` and `dynamodb:DescribeTable`, and for the options
    /// `dynamodb:UpdateTimeToLive`, `dynamodb:DescribeTimeToLive` and `dynamodb:UpdateContinuousBackups`.
    ///
    /// Returns whether this call created it.
    ///
    /// # Errors
    /// - [`Misconfigured`](ErrorKind::Misconfigured): there is such a table, with another key schema.
    /// - [`InvalidInput`](ErrorKind::InvalidInput): options that need waiting, without waiting.
    /// - [`Busy`](ErrorKind::Busy): it is still not active after five minutes, or AWS has too many tables in the making.
    pub async fn create_table(&self, options: &TableOptions, progress: impl FnMut(&str)) -> Result<bool> {
        self.create(options, progress).await.during(Operation::Manage)
    }

    async fn create(&self, options: &TableOptions, mut progress: impl FnMut(&str)) -> Result<bool> {
        if !options.wait && (options.clean_up || options.point_in_time_recovery) {
            let message =
                "time to live and point-in-time recovery can only be set once the table is active; wait for it";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let created = self.inner.request_table(options).await?;
        if options.wait {
            self.inner.wait_until_active(&mut progress).await?;
        } else if let Some(table) = self.inner.find_table().await? {
            progress(status(&table));
            self.inner.check_schema(&table)?;
        }
        if options.clean_up {
            self.inner.enable_clean_up().await?;
        }
        if options.point_in_time_recovery {
            self.inner.enable_recovery().await?;
        }
        Ok(created)
    }

    /// Describes the table. Needs `dynamodb:DescribeTable` and `dynamodb:DescribeTimeToLive`.
    ///
    /// # Errors
    /// - [`Misconfigured`](ErrorKind::Misconfigured): there is no such table, or it has another key schema.
    pub async fn describe_table(&self) -> Result<TableDescription> {
        self.inner.describe_table().await.during(Operation::Manage)
    }
}

impl Inner {
    async fn describe_table(&self) -> Result<TableDescription> {
        let Some(table) = self.find_table().await? else {
            return Err(self.no_table());
        };
        self.check_schema(&table)?;
        Ok(TableDescription {
            status: status(&table).to_owned(),
            billing: billing(&table),
            time_to_live: self.time_to_live().await?,
            deletion_protection: table.deletion_protection_enabled().unwrap_or(false),
            items: table.item_count().unwrap_or(0),
            bytes: table.table_size_bytes().unwrap_or(0),
            arn: table.table_arn,
            name: table.table_name.unwrap_or_default(),
        })
    }

    /// Asks for the table to be made; "it is there" is as good, unless it is about to go.
    async fn request_table(&self, options: &TableOptions) -> Result<bool> {
        let mut pauses = Pauses::new();
        loop {
            let error = match self.create_request(options)?.send().await {
                Ok(_) => return Ok(true),
                Err(error) => error,
            };
            match error.code() {
                Some("ResourceInUseException" | "TableAlreadyExistsException") => {
                    if pauses.are_over() || !self.is_being_deleted().await? {
                        return Ok(false);
                    }
                }
                // Too many tables in the making: others start at the same time.
                Some("LimitExceededException") if !pauses.are_over() => {}
                _ => return Err(from_sdk(&error, &self.place)),
            }
            pauses.wait().await?;
        }
    }

    fn create_request(
        &self,
        options: &TableOptions,
    ) -> Result<aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder> {
        let unbuilt = |_| Error::new(ErrorKind::InvalidInput, "the table options make no request");
        let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S);
        let mut request = self
            .client
            .create_table()
            .table_name(self.table())
            .key_schema(key.build().map_err(unbuilt)?)
            .attribute_definitions(attribute.build().map_err(unbuilt)?);
        request = match options.billing {
            Billing::OnDemand => request.billing_mode(BillingMode::PayPerRequest),
            Billing::Provisioned { read, write } => {
                let units = ProvisionedThroughput::builder()
                    .read_capacity_units(read)
                    .write_capacity_units(write);
                request
                    .billing_mode(BillingMode::Provisioned)
                    .provisioned_throughput(units.build().map_err(unbuilt)?)
            }
        };
        if options.deletion_protection {
            request = request.deletion_protection_enabled(true);
        }
        if let Some(key) = &options.kms_key {
            let encryption = SseSpecification::builder()
                .enabled(true)
                .sse_type(SseType::Kms)
                .kms_master_key_id(key);
            request = request.sse_specification(encryption.build());
        }
        Ok(request)
    }

    /// Polls until the table can be used. Just after its creation it may not be known everywhere yet.
    async fn wait_until_active(&self, progress: &mut impl FnMut(&str)) -> Result<()> {
        let mut pauses = Pauses::new();
        loop {
            let table = self.find_table().await?;
            if let Some(table) = &table {
                self.check_schema(table)?;
                progress(status(table));
            }
            match table.as_ref().and_then(Description::table_status) {
                Some(TableStatus::Active | TableStatus::Updating) => return Ok(()),
                _ if pauses.are_over() => {
                    let seconds = pauses.limit();
                    let message = format!(
                        "{} is not active after {seconds} s; look again later",
                        self.place.describe()
                    );
                    return Err(Error::new(ErrorKind::Busy, message));
                }
                _ => pauses.wait().await?,
            }
        }
    }

    async fn find_table(&self) -> Result<Option<Description>> {
        match self.client.describe_table().table_name(self.table()).send().await {
            Ok(output) => Ok(output.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(from_sdk(&error, &self.place)),
        }
    }

    fn no_table(&self) -> Error {
        let message = format!(
            "there is no {}; create it, or check table, region and endpoint",
            self.place.describe()
        );
        Error::new(ErrorKind::Misconfigured, message).with_action(CREATE)
    }

    fn check_schema(&self, table: &Description) -> Result<()> {
        let hash = |element: &KeySchemaElement| element.attribute_name() == KEY && *element.key_type() == KeyType::Hash;
        let text = |attribute: &AttributeDefinition| {
            attribute.attribute_name() == KEY && *attribute.attribute_type() == ScalarAttributeType::S
        };
        let keys_match = matches!(table.key_schema(), [only] if hash(only));
        if keys_match && table.attribute_definitions().iter().any(text) {
            return Ok(());
        }
        let message = format!(
            "{} has another key schema; it needs the hash key `{KEY}` of type S and no range key. Choose another name",
            self.place.describe()
        );
        Err(Error::new(ErrorKind::Misconfigured, message))
    }

    async fn time_to_live(&self) -> Result<Option<String>> {
        match self
            .client
            .describe_time_to_live()
            .table_name(self.table())
            .send()
            .await
        {
            Ok(output) => Ok(output.time_to_live_description.and_then(|ttl| {
                let on = matches!(
                    ttl.time_to_live_status,
                    Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
                );
                ttl.attribute_name.filter(|_| on)
            })),
            Err(error) if error.code() == Some("UnknownOperationException") => Ok(None),
            Err(error) => Err(from_sdk(&error, &self.place)),
        }
    }

    async fn enable_clean_up(&self) -> Result<()> {
        let unbuilt = |_| Error::new(ErrorKind::InvalidInput, "the time to live makes no request");
        if self.time_to_live().await?.as_deref() == Some(CLEAN_UP) {
            return Ok(());
        }
        let on = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(CLEAN_UP)
            .build()
            .map_err(unbuilt)?;
        let request = self
            .client
            .update_time_to_live()
            .table_name(self.table())
            .time_to_live_specification(on);
        let Err(error) = request.send().await else {
            return Ok(());
        };
        // Another creator was faster.
        if self.time_to_live().await?.as_deref() == Some(CLEAN_UP) {
            return Ok(());
        }
        Err(from_sdk(&error, &self.place))
    }

    /// Continuous backups are not available in the first moments of a table.
    async fn enable_recovery(&self) -> Result<()> {
        let unbuilt = |_| Error::new(ErrorKind::InvalidInput, "point-in-time recovery makes no request");
        let mut pauses = Pauses::new();
        loop {
            let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
            let request = self
                .client
                .update_continuous_backups()
                .table_name(self.table())
                .point_in_time_recovery_specification(on.build().map_err(unbuilt)?);
            let error = match request.send().await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            match error.code() {
                Some("ContinuousBackupsUnavailableException") if !pauses.are_over() => {}
                _ => return Err(from_sdk(&error, &self.place)),
            }
            pauses.wait().await?;
        }
    }
}

fn status(table: &Description) -> &str {
    table.table_status().map_or("UNKNOWN", TableStatus::as_str)
}

/// Old tables with provisioned capacity have no billing mode.
fn billing(table: &Description) -> Billing {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    if mode == Some(&BillingMode::PayPerRequest) {
        return Billing::OnDemand;
    }
    let units = table.provisioned_throughput();
    Billing::Provisioned {
        read: units.and_then(|units| units.read_capacity_units()).unwrap_or(0),
        write: units.and_then(|units| units.write_capacity_units()).unwrap_or(0),
    }
}
