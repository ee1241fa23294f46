-- Parts tell on a topic of their own that they have erased; after a restore that one may be read before the requests.
alter table erasure_parts drop constraint erasure_parts_tenant_id_erasure_id_fkey;
