metadata description = 'Azure SQL: a server that knows no passwords, and a serverless database.'

@description('Name of the server; part of its address.')
@minLength(1)
@maxLength(63)
param serverName string

@description('Name of the database.')
@minLength(1)
@maxLength(128)
param databaseName string

@description('Azure region.')
param location string

@description('Tags of everything.')
param tags object

@description('Object id in Entra of whoever administers the server, and runs migrations: best a group.')
@minLength(36)
@maxLength(36)
param administratorObjectId string

@description('How the server calls its administrator.')
@minLength(1)
@maxLength(128)
param administratorName string

@description('What kind of principal the administrator is.')
@allowed(['Application', 'Group', 'User'])
param administratorType string

@description('The most vCores that it takes.')
@allowed([1, 2, 4, 6, 8])
param maxVcores int

@description('The fewest vCores that are kept, and paid, while it is awake.')
@allowed(['0.5', '0.75', '1', '1.25', '1.5', '1.75', '2'])
param minVcores string

@description('How many GB it may hold.')
@minValue(1)
@maxValue(512)
param maxSizeGb int

@description('After how many quiet minutes it pauses; -1: never.')
@minValue(-1)
@maxValue(10080)
param autoPauseMinutes int

@description('Where backups are kept.')
@allowed(['Geo', 'GeoZone', 'Local', 'Zone'])
param backupRedundancy string

@description('How many days back it can be restored to any moment.')
@minValue(1)
@maxValue(35)
param backupDays int

@description('Whether it is reached by the private endpoint only.')
param privateOnly bool

@description('Where diagnostic logs go.')
param workspaceId string

resource server 'Microsoft.Sql/servers@2023-08-01' = {
  name: serverName
  location: location
  tags: tags
  properties: {
    version: '12.0'
    minimalTlsVersion: '1.2'
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      login: administratorName
      principalType: administratorType
      sid: administratorObjectId
      tenantId: tenant().tenantId
    }
  }
}

resource database 'Microsoft.Sql/servers/databases@2023-08-01' = {
  parent: server
  name: databaseName
  location: location
  tags: tags
  sku: {
    name: 'GP_S_Gen5'
    tier: 'GeneralPurpose'
    family: 'Gen5'
    capacity: maxVcores
  }
  properties: {
    autoPauseDelay: autoPauseMinutes
    minCapacity: json(minVcores)
    maxSizeBytes: maxSizeGb * 1073741824
    requestedBackupStorageRedundancy: backupRedundancy
    zoneRedundant: false
  }
}

resource backups 'Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies@2023-08-01' = {
  parent: database
  name: 'default'
  properties: {
    retentionDays: backupDays
  }
}

// The addresses of a Flex Consumption app are not known beforehand. This lets in what runs in Azure, anybody's; who
// gets further needs a token of Entra and a user in the database. Private networking does without it.
resource fromAzure 'Microsoft.Sql/servers/firewallRules@2023-08-01' = if (!privateOnly) {
  parent: server
  name: 'AllowAllWindowsAzureIps'
  properties: {
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

// Neither auditing nor the category Errors: both keep values of people, as statements and messages quote them.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: database
  name: 'to-log-analytics'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'Timeouts'
        enabled: true
      }
      {
        category: 'Blocks'
        enabled: true
      }
      {
        category: 'Deadlocks'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Basic'
        enabled: true
      }
    ]
  }
}

output serverId string = server.id
output serverName string = server.name
output serverAddress string = server.properties.fullyQualifiedDomainName
output databaseName string = database.name
