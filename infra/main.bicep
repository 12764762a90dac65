targetScope = 'subscription'

metadata name = 'HR to Entra'
metadata description = 'Everything that the app needs in Azure and in Entra, apart from the provisioning app itself.'

// ---------------------------------------------------------------------------------------------- where, and under what name

@description('Name of this environment, such as prod: part of the names of everything.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region; one that has Flex Consumption: az functionapp list-flexconsumption-locations.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Name of the resource group; empty: rg-hr-to-entra- and the environment.')
@maxLength(90)
param resourceGroupName string = ''

@description('Tags of everything, beside azd-env-name.')
param tags object = {}

// ------------------------------------------------------------------------------------------------------- who administers

@description('Object id in Entra of the server\'s administrator, who runs migrations; best a group of people and the pipeline. Empty: whoever deploys.')
param sqlAdminObjectId string = ''

@description('How the server calls its administrator; empty: the user name of whoever deploys.')
@maxLength(128)
param sqlAdminName string = ''

@description('What kind of principal the administrator is.')
@allowed(['Application', 'Group', 'User'])
param sqlAdminType string = 'User'

@description('Object id of who puts HR\'s secrets into the vault. Empty: nobody by this deployment.')
param vaultOfficerObjectId string = ''

@description('What kind of principal that is.')
@allowed(['Group', 'ServicePrincipal', 'User'])
param vaultOfficerType string = 'User'

@description('Grants the app its roles in Graph. Whoever deploys must be Privileged Role Administrator; else false, and infra/scripts/graph-roles.sh.')
param grantGraphRoles bool = true

@description('Also ProvisioningLog.Read.All: what came of each person.')
param readProvisioningLogs bool = true

@description('Also Synchronization.Read.All: how the provisioning job stands, and its schema.')
param readProvisioningJob bool = true

@description('Makes the app registration by which people sign in to the console, with its three roles.')
param createSignInRegistration bool = true

@description('Client id of an existing registration instead. Neither: nobody can sign in, and the console stays closed.')
param signInClientId string = ''

@description('Whether that registration has a client secret, in the vault as sign-in-client-secret. Else the identity stands for it.')
param signInFromVault bool = false

// ---------------------------------------------------------------------------------------------------------------- shape

@description('One switch: storage, database and vault are reached from within a virtual network only, through private endpoints.')
param privateNetworking bool = false

@description('Addresses of that network; at least a /25.')
@minLength(9)
@maxLength(18)
param networkAddressPrefix string = '10.80.0.0/24'

@description('Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('The most instances that may run. Each timer has its own.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Name of the database.')
@minLength(1)
@maxLength(128)
param sqlDatabaseName string = 'hr'

@description('The most vCores that the database takes.')
@allowed([1, 2, 4, 6, 8])
param sqlMaxVcores int = 2

@description('The fewest vCores that are kept, and paid, while the database is awake.')
@allowed(['0.5', '0.75', '1', '1.25', '1.5', '1.75', '2'])
param sqlMinVcores string = '0.5'

@description('How many GB the database may hold.')
@minValue(1)
@maxValue(512)
param sqlMaxSizeGb int = 32

@description('After how many quiet minutes the database pauses; -1: never, since the shipped schedules leave it no quiet hour.')
@minValue(-1)
@maxValue(10080)
param sqlAutoPauseMinutes int = -1

@description('Where backups are kept.')
@allowed(['Geo', 'GeoZone', 'Local', 'Zone'])
param sqlBackupRedundancy string = 'Geo'

@description('How many days back the database can be restored to any moment.')
@minValue(1)
@maxValue(35)
param sqlBackupDays int = 14

@description('How many days logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

@description('How many GB of logs may come in a day; -1: as many as come. Above it nothing is logged, and no alert fires.')
@minValue(-1)
param logDailyQuotaGb int = -1

@description('E-mail addresses that the five alerts reach.')
param alertEmailAddresses string[] = []

// ------------------------------------------------------------------------------------- the app's settings, as in README

@description('HR_SOURCE: the HR API, as JSON or as the path of a JSON file that is deployed with the app. Empty: another loader fills the tables.')
param hrSource string = ''

@description('Names of the settings HR_... that HR_SOURCE refers to. Each is read from the vault: HR_PASSWORD from the secret hr-password.')
param hrSecretNames string[] = []

@description('GRAPH_BULK_UPLOAD_URL: the Provisioning API Endpoint of the app in the portal. Empty until there is one; nothing is sent before.')
param graphBulkUploadUrl string = ''

@description('GRAPH_DAILY_CALL_LIMIT: what the tenant may call in 24 h; 2000, or 6000 with ID Governance.')
@minValue(1)
@maxValue(999999)
param graphDailyCallLimit int = 2000

@description('SCIM_EXTENSIONS: JSON, prefix to URN.')
@minLength(2)
param scimExtensions string = '{"hr": "urn:ietf:params:scim:schemas:extension:hr:2.0:User"}'

@description('SCIM_NULLS: whether unset attributes are sent as null, or left out.')
@allowed(['explicit', 'omit'])
param scimNulls string = 'explicit'

@description('CREATE_LEAD_DAYS: how many days before ValidFrom people are sent.')
@minValue(0)
@maxValue(3650)
param createLeadDays int = 7

@description('PREHIRE_ACTIVE: whether they are active before that day.')
param prehireActive bool = true

@description('TIME_ZONE: the IANA zone in which "today" is meant, such as Europe/Copenhagen.')
@minLength(1)
param timeZone string = 'UTC'

@description('UPDATE_BY: whether update looks at everybody, or at those whose ModifiedDateTime moved.')
@allowed(['content', 'modified'])
param updateBy string = 'content'

@description('RESEND_DAYS: after so many days without a send, reconcile sends again.')
@minValue(1)
@maxValue(3650)
param resendDays int = 28

@description('MISSING_AFTER_HOURS: how long somebody must be missing from HR to be disabled.')
@minValue(0)
@maxValue(8760)
param missingAfterHours int = 20

@description('HISTORY_DAYS: how long trails, outcomes and the payloads of the disabled are kept.')
@minValue(1)
@maxValue(20000)
param historyDays int = 90

@description('MAX_DISABLES: people, or percent of those sent before, who may be disabled in 24 h without approval.')
@minLength(1)
param maxDisables string = '5%'

@description('MAX_CHANGES: the same for changes in a run.')
@minLength(1)
param maxChanges string = '20%'

@description('MAX_CREATES: the same for new people in a run.')
@minLength(1)
param maxCreates string = '20%'

@description('MAX_SHRINK: how much smaller than the last complete one HR\'s answer may be.')
@minLength(1)
param maxShrink string = '10%'

@description('USER_NAME_PATTERNS: how user names are made for new people; none are made where it is empty.')
param userNamePatterns string = ''

@description('USER_NAME_DOMAIN: what stands behind the @ of such a name.')
param userNameDomain string = ''

@description('USER_NAME_LETTERS: whose rules for letters count, such as de,da.')
param userNameLetters string = ''

@description('USER_NAME_RESERVED: words that are nobody\'s user name, beside those that never are.')
param userNameReserved string = ''

@description('USER_NAME_KEEP_YEARS: for how many years after its release a name is given to nobody else.')
@minValue(0)
@maxValue(100)
param userNameKeepYears int = 10

@description('Whether ALERT_WEBHOOK_URL is read from the vault, from the secret alert-webhook-url. Else nobody is called.')
param alertWebhook bool = false

@description('INGEST_SCHEDULE: NCRONTAB of six fields, in UTC, as all five.')
@minLength(11)
param ingestSchedule string = '0 0 * * * *'

@description('CREATE_SCHEDULE')
@minLength(11)
param createSchedule string = '0 10 4 * * *'

@description('UPDATE_SCHEDULE')
@minLength(11)
param updateSchedule string = '0 20 * * * *'

@description('RECONCILE_SCHEDULE')
@minLength(11)
param reconcileSchedule string = '0 40 4 * * *'

@description('OUTCOMES_SCHEDULE')
@minLength(11)
param outcomesSchedule string = '0 */20 * * * *'

@description('COMPARE_SCHEDULE: when the tenant\'s users are compared with HR, such as 0 30 5 * * *; also User.Read.All. Empty: never.')
param compareSchedule string = ''

@description('COMPARE_IGNORE: JSON, accounts that need no HR.')
@minLength(2)
param compareIgnore string = '[{"userType": "Guest"}]'

// ---------------------------------------------------------------------------------------------------------------- names

var token = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, { 'azd-env-name': environmentName })
var functionAppName = 'func-hr-${token}'
var keyVaultName = 'kv-hr-${token}'
var registrationName = 'hr-to-entra-${environmentName}-${token}'
var adminObjectId = empty(sqlAdminObjectId) ? deployer().objectId : sqlAdminObjectId
var deployerName = empty(deployer().userPrincipalName) ? 'deployer' : deployer().userPrincipalName
var adminName = empty(sqlAdminName) ? deployerName : sqlAdminName

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: empty(resourceGroupName) ? 'rg-hr-to-entra-${environmentName}' : resourceGroupName
  location: location
  tags: allTags
}

// ------------------------------------------------------------------------------------------------------------ resources

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-hr-to-entra-${token}'
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-hr-${token}'
    applicationInsightsName: 'appi-hr-${token}'
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    namePrefix: 'hr-to-entra-${environmentName}'
    location: location
    tags: allTags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    emailAddresses: alertEmailAddresses
    watchIngest: !empty(hrSource)
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'sthr${token}'
    location: location
    tags: allTags
    privateOnly: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

module database 'modules/database.bicep' = {
  name: 'database'
  scope: group
  params: {
    serverName: 'sql-hr-${token}'
    databaseName: sqlDatabaseName
    location: location
    tags: allTags
    administratorObjectId: adminObjectId
    administratorName: adminName
    administratorType: sqlAdminType
    maxVcores: sqlMaxVcores
    minVcores: sqlMinVcores
    maxSizeGb: sqlMaxSizeGb
    autoPauseMinutes: sqlAutoPauseMinutes
    backupRedundancy: sqlBackupRedundancy
    backupDays: sqlBackupDays
    privateOnly: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: keyVaultName
    location: location
    tags: allTags
    privateOnly: privateNetworking
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roleAssignments 'modules/role-assignments.bicep' = {
  name: 'role-assignments'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageAccountName: storage.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    keyVaultName: keyVault.outputs.name
    vaultOfficerObjectId: vaultOfficerObjectId
    vaultOfficerType: vaultOfficerType
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-hr-${token}'
    location: location
    tags: allTags
    addressPrefix: networkAddressPrefix
  }
}

module storageEndpoint 'modules/private-endpoint.bicep' = if (privateNetworking) {
  name: 'storage-endpoint'
  scope: group
  params: {
    name: 'pe-blob-${token}'
    location: location
    tags: allTags
    subnetId: network!.outputs.endpointSubnetId
    serviceId: storage.outputs.id
    groupId: 'blob'
    zoneId: network!.outputs.blobZoneId
  }
}

module databaseEndpoint 'modules/private-endpoint.bicep' = if (privateNetworking) {
  name: 'database-endpoint'
  scope: group
  params: {
    name: 'pe-sql-${token}'
    location: location
    tags: allTags
    subnetId: network!.outputs.endpointSubnetId
    serviceId: database.outputs.serverId
    groupId: 'sqlServer'
    zoneId: network!.outputs.sqlZoneId
  }
}

module keyVaultEndpoint 'modules/private-endpoint.bicep' = if (privateNetworking) {
  name: 'key-vault-endpoint'
  scope: group
  params: {
    name: 'pe-vault-${token}'
    location: location
    tags: allTags
    subnetId: network!.outputs.endpointSubnetId
    serviceId: keyVault.outputs.id
    groupId: 'vault'
    zoneId: network!.outputs.vaultZoneId
  }
}

// -------------------------------------------------------------------------------------------------------------- the app

var secretsUrl = 'https://${keyVaultName}${environment().suffixes.keyvaultDns}/secrets'
var hrSettings = toObject(
  hrSecretNames,
  name => name,
  name => '@Microsoft.KeyVault(SecretUri=${secretsUrl}/${toLower(replace(name, '_', '-'))})'
)
var signInSettings = {
  SIGN_IN_CLIENT_SECRET: '@Microsoft.KeyVault(SecretUri=${secretsUrl}/sign-in-client-secret)'
}

module functionApp 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    name: functionAppName
    planName: 'plan-hr-${token}'
    location: location
    tags: allTags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageBlobEndpoint: storage.outputs.blobEndpoint
    packageContainerUrl: storage.outputs.packageContainerUrl
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    vaultSettings: signInFromVault ? union(hrSettings, signInSettings) : hrSettings
    appSettings: {
      SQL_CONNECTION_STRING: 'Server=tcp:${database.outputs.serverAddress},1433;Database=${database.outputs.databaseName};Encrypt=yes'
      HR_SOURCE: hrSource
      GRAPH_BULK_UPLOAD_URL: graphBulkUploadUrl
      GRAPH_DAILY_CALL_LIMIT: string(graphDailyCallLimit)
      SCIM_EXTENSIONS: scimExtensions
      SCIM_NULLS: scimNulls
      CREATE_LEAD_DAYS: string(createLeadDays)
      PREHIRE_ACTIVE: prehireActive ? 'true' : 'false'
      TIME_ZONE: timeZone
      UPDATE_BY: updateBy
      RESEND_DAYS: string(resendDays)
      MISSING_AFTER_HOURS: string(missingAfterHours)
      HISTORY_DAYS: string(historyDays)
      MAX_DISABLES: maxDisables
      MAX_CHANGES: maxChanges
      MAX_CREATES: maxCreates
      MAX_SHRINK: maxShrink
      USER_NAME_PATTERNS: userNamePatterns
      USER_NAME_DOMAIN: userNameDomain
      USER_NAME_LETTERS: userNameLetters
      USER_NAME_RESERVED: userNameReserved
      USER_NAME_KEEP_YEARS: string(userNameKeepYears)
      ALERT_WEBHOOK_URL: alertWebhook ? '@Microsoft.KeyVault(SecretUri=${secretsUrl}/alert-webhook-url)' : ''
      INGEST_SCHEDULE: ingestSchedule
      CREATE_SCHEDULE: createSchedule
      UPDATE_SCHEDULE: updateSchedule
      RECONCILE_SCHEDULE: reconcileSchedule
      OUTCOMES_SCHEDULE: outcomesSchedule
      COMPARE_SCHEDULE: compareSchedule
      COMPARE_IGNORE: compareIgnore
    }
  }
  // Its references to secrets are looked up at once, and its package is fetched from the storage.
  dependsOn: [
    roleAssignments
    storageEndpoint
    databaseEndpoint
    keyVaultEndpoint
  ]
}

// --------------------------------------------------------------------------------------------------------------- Entra

var comparesDirectory = !empty(compareSchedule)

module graphRoles 'modules/graph-roles.bicep' = if (grantGraphRoles) {
  name: 'graph-roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    roleNames: concat(
      ['SynchronizationData-User.Upload'],
      readProvisioningLogs ? ['ProvisioningLog.Read.All'] : [],
      readProvisioningJob ? ['Synchronization.Read.All'] : [],
      comparesDirectory ? ['User.Read.All'] : []
    )
  }
}

var makesRegistration = createSignInRegistration && empty(signInClientId)

module signIn 'modules/sign-in.bicep' = if (makesRegistration) {
  name: 'sign-in'
  scope: group
  params: {
    uniqueName: registrationName
    displayName: 'HR to Entra (${environmentName})'
    hostName: functionApp.outputs.hostName
    identityPrincipalId: identity.outputs.principalId
  }
}

module easyAuth 'modules/easy-auth.bicep' = if (makesRegistration || !empty(signInClientId)) {
  name: 'easy-auth'
  scope: group
  params: {
    functionAppName: functionApp.outputs.name
    clientId: makesRegistration ? signIn!.outputs.clientId : signInClientId
    credentialSetting: signInFromVault ? 'SIGN_IN_CLIENT_SECRET' : 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
  }
}

// ------------------------------------------------------ what azd keeps in its environment, and infra/scripts read there

output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = functionApp.outputs.name
output FUNCTION_APP_HOST string = functionApp.outputs.hostName
output APP_IDENTITY_NAME string = identity.outputs.name
output APP_IDENTITY_CLIENT_ID string = identity.outputs.clientId
output APP_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output SQL_SERVER_NAME string = database.outputs.serverName
output SQL_SERVER_ADDRESS string = database.outputs.serverAddress
output SQL_DATABASE string = database.outputs.databaseName
output KEY_VAULT_NAME string = keyVault.outputs.name
output CONSOLE_ENTERPRISE_APP_ID string = makesRegistration ? signIn!.outputs.enterpriseAppId : ''
output GRAPH_ROLES_GRANTED bool = grantGraphRoles
