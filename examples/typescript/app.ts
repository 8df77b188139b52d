// Windows Server entitlements of Amazon EVS VMs in a TypeScript CDK app.
import {
  App, CfnDeletionPolicy, CfnOutput, CfnResource, CustomResource, Duration, Fn, RemovalPolicy, Stack,
} from 'aws-cdk-lib';
import { Construct } from 'constructs';

interface WindowsServerEntitlementsProps {
  readonly environmentId: string;
  readonly connectorId: string;
  readonly vmIds: string[];
  readonly adoptExisting?: boolean;
  /** Whether the entitlements stay, and are paid for, when the stack is deleted. Default: false. */
  readonly retain?: boolean;
  readonly timeout?: Duration;
  /** Name of the stack with the function. */
  readonly providerStack?: string;
}

/** One of these for each environment and connector of a stack. */
class WindowsServerEntitlements extends Construct {
  public readonly resource: CustomResource;

  constructor(scope: Construct, id: string, props: WindowsServerEntitlementsProps) {
    super(scope, id);
    this.resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::EvsWindowsServerEntitlements',
      // An import, so that CloudFormation does not delete the function while this stack uses it.
      serviceToken: Fn.importValue(`${props.providerStack ?? 'EvsEntitlementProvider'}-ServiceToken`),
      serviceTimeout: props.timeout ?? Duration.hours(1),
      removalPolicy: RemovalPolicy.DESTROY,
      properties: {
        EnvironmentId: props.environmentId,
        ConnectorId: props.connectorId,
        VmIds: props.vmIds,
        AdoptExisting: props.adoptExisting ?? false,
        RemovalPolicy: props.retain ? 'RETAIN' : 'DESTROY',
      },
    });
    const resource = this.resource.node.defaultChild as CfnResource;
    // The logical id says which set this is, and not where in the app it is declared: it can be moved.
    resource.overrideLogicalId(`EvsEntitlements${props.environmentId}${props.connectorId}`.replaceAll('-', ''));
    // Not RemovalPolicy.RETAIN: that would keep each VM entitled that leaves the list, too.
    if (props.retain) {
      resource.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE;
    }
  }
}

const app = new App();
const stack = new Stack(app, 'LicencesTypeScript');
const windows = new WindowsServerEntitlements(stack, 'Windows', {
  environmentId: 'env-abcde12345',
  connectorId: 'cnctr-abcde12345',
  vmIds: (app.node.tryGetContext('vmIds') ?? 'vm-101,vm-102').split(','),
  retain: app.node.tryGetContext('retain') === 'true',
});
new CfnOutput(stack, 'DeclaredVms', { value: windows.resource.getAttString('Count') });
