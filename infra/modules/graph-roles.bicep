metadata description = 'What the app may do in Microsoft Graph; each role is the tenant\'s. Needs the Microsoft Graph extension and a Privileged Role Administrator.'

extension microsoftGraphV1

@description('The app\'s identity.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Names of the app roles.')
@minLength(1)
@maxLength(3)
param roleNames string[]

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for roleName in roleNames: {
    principalId: principalId
    resourceId: graph.id
    appRoleId: filter(graph.appRoles, role => role.value == roleName)[0].id
  }
]
