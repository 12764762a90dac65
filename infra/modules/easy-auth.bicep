metadata description = 'Easy Auth of the function app. Requests without a sign-in go on: function keys and the app itself guard the routes.'

@description('Name of the function app.')
param functionAppName string

@description('Client id of the app registration by which people sign in.')
@minLength(36)
@maxLength(36)
param clientId string

@description('The setting by which the app proves to be that registration: one with a secret, or the one that names an identity.')
@allowed(['OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID', 'SIGN_IN_CLIENT_SECRET'])
param credentialSetting string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource signIn 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          clientId: clientId
          // Under OVERRIDE_… stands no secret: it says that the managed identity stands for the registration.
          clientSecretSettingName: credentialSetting
        }
        validation: {
          allowedAudiences: [
            clientId
          ]
        }
      }
    }
    login: {
      // The app wants to know who it is, not her tokens.
      tokenStore: {
        enabled: false
      }
    }
  }
}
