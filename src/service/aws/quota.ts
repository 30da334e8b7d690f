import { awsCode } from './ec2-errors.js';

/** "Routes per route table" of Amazon VPC. */
const ROUTES_PER_TABLE = { ServiceCode: 'vpc', QuotaCode: 'L-93826ACB' };

/**
 * Reads how many routes a table takes in this account and region. Null when AWS did not report it: not
 * permitted, not reachable from this VPC subnet, or without the SDK's package.
 */
export async function readRouteQuota(
  region: string,
  endpoint: string | null,
  signal?: AbortSignal,
): Promise<number | null> {
  try {
    const sdk = await import('@aws-sdk/client-service-quotas');
    const client = new sdk.ServiceQuotasClient({
      region,
      maxAttempts: 2,
      // The service may be unreachable from a subnet whose only way to AWS is an endpoint for EC2.
      requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000 },
      ...(endpoint === null ? {} : { endpoint }),
    });
    try {
      const { Quota } = await client.send(
        new sdk.GetServiceQuotaCommand(ROUTES_PER_TABLE),
        signal === undefined ? {} : { abortSignal: signal },
      );
      return Quota?.Value ?? null;
    } finally {
      client.destroy();
    }
  } catch (error) {
    if (awsCode(error) === 'AbortError') signal?.throwIfAborted();
    return null;
  }
}
