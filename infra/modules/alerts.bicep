metadata description = 'The five alerts of docs/operations.md, and whom they reach. A test holds the queries to that page.'

@description('Beginning of the names of the rules.')
param namePrefix string

@description('Azure region.')
param location string

@description('Tags of everything.')
param tags object

@description('The Application Insights resource whose logs are asked.')
param applicationInsightsId string

@description('E-mail addresses that are told. None: the rules fire, and only the portal shows it.')
param emailAddresses string[]

@description('Whether the app itself fetches from HR: then a missing ingest is an alert.')
param watchIngest bool

var rules = [
  {
    name: 'run-failed'
    displayName: 'A run failed'
    severity: 1
    window: 'PT1H'
    enabled: true
    query: loadTextContent('../alerts/1-run-failed.kql')
  }
  {
    name: 'held'
    displayName: 'Somebody is held'
    severity: 2
    window: 'PT1H'
    enabled: true
    query: loadTextContent('../alerts/2-held.kql')
  }
  {
    name: 'no-ingest'
    displayName: 'No complete ingest in 26 hours'
    severity: 1
    window: 'P2D'
    enabled: watchIngest
    query: loadTextContent('../alerts/3-no-ingest.kql')
  }
  {
    name: 'failures-rising'
    displayName: 'Failures are rising'
    severity: 2
    window: 'P2D'
    enabled: true
    query: loadTextContent('../alerts/4-failures-rising.kql')
  }
  {
    name: 'calls'
    displayName: 'Above 80 % of the day\'s calls'
    severity: 3
    window: 'PT1H'
    enabled: true
    query: loadTextContent('../alerts/5-calls.kql')
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${namePrefix}-operators'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'hr-to-entra'
    enabled: true
    emailReceivers: [
      for (address, index) in emailAddresses: {
        name: 'operator-${index}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'HR to Entra: ${rule.displayName}'
      description: 'What to do: docs/operations.md, "${rule.displayName}".'
      severity: rule.severity
      enabled: rule.enabled
      scopes: [
        applicationInsightsId
      ]
      evaluationFrequency: 'PT30M'
      windowSize: rule.window
      autoMitigate: true
      // A new workspace has no tables yet, and the queries would be refused.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [
          people.id
        ]
      }
    }
  }
]
