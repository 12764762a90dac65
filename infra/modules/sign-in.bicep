metadata description = 'The app registration by which people sign in to the console, with its three roles. Needs the Microsoft Graph extension.'

extension microsoftGraphV1

@description('Unique name of the registration; it is found again by it.')
@minLength(3)
@maxLength(120)
param uniqueName string

@description('What people see when they sign in.')
@minLength(1)
@maxLength(120)
param displayName string

@description('Host of the function app.')
param hostName string

@description('Principal of the identity that stands for the registration, instead of a secret.')
@minLength(36)
@maxLength(36)
param identityPrincipalId string

// The roles of provisioning/callers.py.
var roles = [
  {
    value: 'Reader'
    description: 'Sees how it all stands, and what is known of each person.'
  }
  {
    value: 'Operator'
    description: 'Sees, and resyncs, disables and enables single people.'
  }
  {
    value: 'Approver'
    description: 'Sees, and lets the people of a hold go.'
  }
]

resource registration 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  signInAudience: 'AzureADMyOrg'
  web: {
    homePageUrl: 'https://${hostName}/api/console'
    redirectUris: [
      'https://${hostName}/.auth/login/aad/callback'
    ]
    implicitGrantSettings: {
      enableIdTokenIssuance: true
      enableAccessTokenIssuance: false
    }
  }
  appRoles: [
    for role in roles: {
      id: guid(uniqueName, role.value)
      value: role.value
      displayName: role.value
      description: role.description
      allowedMemberTypes: [
        'User'
      ]
      isEnabled: true
    }
  ]
}

// The app proves to be this registration by its managed identity (in preview):
// https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad#use-a-managed-identity-instead-of-a-secret-preview
resource trust 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = {
  name: '${registration.uniqueName}/function-app'
  description: 'The managed identity of the function app.'
  audiences: [
    'api://AzureADTokenExchange'
  ]
  issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
  subject: identityPrincipalId
}

// Only who was given a role gets in at all.
resource enterpriseApp 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: registration.appId
  appRoleAssignmentRequired: true
}

output clientId string = registration.appId
output enterpriseAppId string = enterpriseApp.id
